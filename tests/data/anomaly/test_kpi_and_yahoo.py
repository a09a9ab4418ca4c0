"""KPI and Yahoo S5 as small files with the published names and columns."""

import numpy as np
import pytest
from archive_files import write

from tsrl.data.anomaly import load_anomaly
from tsrl.errors import InputError

KPI = """timestamp,value,label,KPI ID
1476460800,0.012604,0,da10a69f
1476461100,,1,da10a69f
1476461040,0.017786,1,da10a69f
1476460920,2.5,0,12345678
1476460800,1.5,0,12345678
1476460860,0.014,0,da10a69f
1476460980,3.5,1,12345678
1476461160,0.016,0,da10a69f
"""


@pytest.mark.parametrize("zipped", [True, False])
def test_kpi(tmp_path, zipped):
    hidden = {"__MACOSX/._phase2_train.csv": b"\x00\x05", "phase2_test.hdf": b"\x89HDF"}
    write(tmp_path, {"Finals_dataset/phase2_train.csv": KPI} | hidden, zipped)
    number, other = load_anomaly("KPI", tmp_path).series
    assert (number.name, number.train_stop, number.windows) == ("12345678", 1, ((2, 2),))
    np.testing.assert_array_equal(number.values[:, 0], [1.5, 2.5, 3.5])
    assert (other.name, other.train_stop, other.windows) == ("da10a69f", 2, ((2, 3),))
    assert other.timestamps.tolist() == [1476460800, 1476460860, 1476461040, 1476461100, 1476461160]
    np.testing.assert_array_equal(other.values[:, 0], np.float32([0.012604, 0.014, 0.017786, np.nan, 0.016]))
    (one,) = load_anomaly("KPI/da10a69f", tmp_path, train_fraction=0.7).series
    assert (one.name, one.train_stop) == ("da10a69f", 3)


def yahoo():
    real = [f"{step},{0.25 * step},{int(step in (3, 4))}" for step in range(1, 9)]
    made = [
        f"{1422237600 + 3600 * step},{10.5 - step},{int(step == 6)},{int(step == 2)},10.5,0,{-step},0,0"
        for step in range(8)
    ]
    head = "timestamps,value,anomaly,changepoint,trend,noise,seasonality1,seasonality2,seasonality3"
    files = {
        "A1Benchmark/real_1.csv": ["timestamp,value,is_anomaly", *real],
        "A1Benchmark/real_10.csv": ["timestamp,value,is_anomaly", *real],
        "A2Benchmark/synthetic_7.csv": ["timestamp,value,is_anomaly", *real],
        "A3Benchmark/A3Benchmark-TS2.csv": [head, *made],
        "A3Benchmark/A3Benchmark_all.csv": ["timestamps,value,anomaly", "of all series"],
        "A4Benchmark/A4Benchmark-TS1.csv": [head, *made],
    }
    return {f"ydata-v1_0/{name}": "\n".join(lines) + "\n" for name, lines in files.items()} | {
        "ydata-v1_0/readme": "S5"
    }


@pytest.mark.parametrize("zipped", [True, False])
def test_yahoo(tmp_path, zipped):
    write(tmp_path, yahoo(), zipped)
    found = {one.name: one for one in load_anomaly("Yahoo", tmp_path).series}
    assert list(found) == ["A1/real_1", "A1/real_10", "A2/synthetic_7", "A3/A3Benchmark-TS2", "A4/A4Benchmark-TS1"]
    real, made = found["A1/real_1"], found["A3/A3Benchmark-TS2"]
    assert (real.train_stop, real.windows, real.timestamps.tolist()) == (4, ((2, 3),), list(range(1, 9)))
    np.testing.assert_array_equal(real.values[:, 0], 0.25 * np.arange(1, 9))
    # The change point at step 2 is no anomaly.
    assert (made.windows, made.timestamps[1]) == (((6, 6),), 1422241200)
    np.testing.assert_array_equal(made.values[:, 0], 10.5 - np.arange(8))
    for part, names in [("A1", ["A1/real_1", "A1/real_10"]), ("A1/real_1", ["A1/real_1"])]:
        assert [one.name for one in load_anomaly(f"Yahoo/{part}", tmp_path).series] == names


@pytest.mark.parametrize(
    ("name", "files", "message"),
    [
        ("KPI", {"phase2_test.csv": KPI}, "found KPI's file phase2_train.csv nowhere"),
        ("KPI", {"a/phase2_train.csv": KPI, "b/phase2_train.csv": KPI}, "phase2_train.csv more than once"),
        ("KPI/9", {"phase2_train.csv": KPI}, "found no '9' in KPI"),
        (
            "KPI",
            {"phase2_train.csv": KPI.replace("KPI ID", "kpi")},
            r"phase2_train.csv: found the columns .*want also KPI ID",
        ),
        (
            "KPI",
            {"phase2_train.csv": KPI.replace("3.5,1", "3.5,2")},
            r"phase2_train.csv: label: found \[2\], want 0 or 1",
        ),
        ("KPI", {"phase2_train.csv": KPI.replace("3.5,1", "3.5,")}, "label: found 1 empty cells"),
        ("KPI", {"phase2_train.csv": KPI.rstrip() + "\n1476469999,1.5,0,\n"}, "KPI ID: found 1 empty cells"),
        (
            "KPI",
            {"phase2_train.csv": KPI.replace("3.5", "high")},
            "phase2_train.csv: found a damaged file .*ArrowInvalid",
        ),
        ("Yahoo", {"A1Benchmark/notes.csv": ""}, "found Yahoo, A1Benchmark/real_1.csv and so on, nowhere"),
        ("Yahoo", yahoo() | {"A1Benchmark/real_1.csv": ""}, "found a series of Yahoo, .* more than once"),
        (
            "Yahoo",
            {"A4Benchmark/A4Benchmark-TS1.csv": "timestamp,value,is_anomaly\n1,2,0\n"},
            "want also timestamps, anomaly",
        ),
        ("Yahoo", {"A2Benchmark/synthetic_1.csv": ""}, "synthetic_1.csv: found a damaged file"),
    ],
)
def test_wrong_kpi_and_yahoo(tmp_path, name, files, message):
    write(tmp_path, files, False)
    with pytest.raises(InputError, match=message):
        load_anomaly(name, tmp_path)
