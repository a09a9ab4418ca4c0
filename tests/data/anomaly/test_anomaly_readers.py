"""Readers against small files written in the published formats, and against the real archives where they are."""

import csv
import io
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from archive_files import write
from hypothesis import given
from hypothesis import strategies as st

from tsrl.data.anomaly import AnomalySeries, AnomalySet, load_anomaly, ranges
from tsrl.errors import InputError

DATA = os.environ.get("TSRL_DATA_DIR", "")
START = datetime(2014, 7, 1)
TAXI = "realKnownCause/nyc_taxi"


def stamps(steps, begin=0):
    return [START + timedelta(minutes=5 * step) for step in range(begin, begin + steps)]


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def nab(series, windows, root=""):
    """NAB's files: series name -> (stamps, values as text), windows of stamps."""
    files = {}
    for name, (times, values) in series.items():
        rows = [("timestamp", "value"), *zip(map(str, times), values, strict=True)]
        files[f"{root}data/{name}.csv"] = "".join(f"{time},{value}\n" for time, value in rows)
    spans = {f"{name}.csv": [[f"{t}.000000" for t in pair] for pair in pairs] for name, pairs in windows.items()}
    return files | {f"{root}labels/combined_windows.json": json.dumps(spans)}


@pytest.mark.parametrize(("zipped", "root"), [(True, ""), (False, "NAB-master/")])
def test_nab(tmp_path, zipped, root):
    times = stamps(20)
    del times[13]  # a gap
    times[5] = times[4]  # a clock set back
    values = [str(0.5 * i) for i in range(19)]
    values[2] = ""
    windows = {TAXI: [(times[7], times[9]), (times[10], times[12])], "realTweets/quiet": []}
    series = {TAXI: (times, values), "realTweets/quiet": (stamps(8), ["1"] * 8)}
    write(tmp_path, nab(series, windows, root), zipped)
    data = load_anomaly("NAB", tmp_path)
    assert [one.name for one in data.series] == [TAXI, "realTweets/quiet"]
    taxi = data.series[0]
    assert taxi.windows == ((7, 9), (10, 12))
    assert taxi.numbered.tolist() == [0] * 7 + [1] * 3 + [2] * 3 + [0] * 6
    assert taxi.train_stop == 9
    assert taxi.values.dtype == np.float32
    np.testing.assert_array_equal(taxi.values[:, 0], [np.nan if i == 2 else 0.5 * i for i in range(19)])
    assert taxi.timestamps.tolist() == [int(time.replace(tzinfo=UTC).timestamp()) for time in times]
    assert load_anomaly("NAB", tmp_path, train_fraction=0.15).series[0].train_stop == 2
    for name in ("NAB/realKnownCause", f"NAB/{TAXI}"):
        assert [one.name for one in load_anomaly(name, tmp_path).series] == [TAXI]


def spacecraft():
    rng = np.random.default_rng(0)
    channels = {name: (rng.normal(size=(6, 3)), rng.normal(size=(9, 3))) for name in ("P-2", "P-1")}
    labelled = {"P-2": [[1, 2]], "P-1": [[0, 0], [7, 8]]}
    return channels, labelled


def official(channels, labelled):
    buffer = io.StringIO()
    rows = [(name, "SMAP", str([span]), "[point]", 9) for name, spans in labelled.items() for span in spans]
    head = ["chan_id", "spacecraft", "anomaly_sequences", "class", "num_values"]
    csv.writer(buffer).writerows([head, *rows, ("M-6", "MSL", "[[1, 2]]", "[point]", 9)])
    files = {"labeled_anomalies.csv": buffer.getvalue()}
    for name, (train, test) in channels.items():
        files |= {f"data/train/{name}.npy": npy(train), f"data/test/{name}.npy": npy(test)}
    return files


@pytest.mark.parametrize("form", ["zip", "folder", "npz"])
def test_spacecraft(tmp_path, form):
    channels, labelled = spacecraft()
    if form == "npz":
        packed = {}
        for name, (train, test) in channels.items():
            label = np.zeros(9, np.int8)
            for first, last in labelled[name]:
                label[first : last + 1] = 1
            packed |= {f"SMAP__{name}__train": train, f"SMAP__{name}__test": test, f"SMAP__{name}__label": label}
        np.savez(tmp_path / "both.npz", **packed)
    else:
        write(tmp_path, official(channels, labelled), form == "zip")
    data = load_anomaly("SMAP", tmp_path)
    assert {one.name for one in data.series} == {"P-1", "P-2"}
    for one in data.series:
        np.testing.assert_array_equal(one.values, np.concatenate(channels[one.name]).astype(np.float32))
        assert one.train_stop == 6
        assert one.windows == tuple((first + 6, last + 6) for first, last in labelled[one.name])
    assert [one.name for one in load_anomaly("SMAP/P-1", tmp_path).series] == ["P-1"]
    with pytest.raises(InputError, match=r"no 'P-9' in SMAP; did you mean P-"):
        load_anomaly("SMAP/P-9", tmp_path)


@pytest.mark.parametrize("zipped", [True, False])
def test_ucr(tmp_path, zipped):
    values = np.linspace(-2, 2, 50)
    files = {
        "UCR/001_UCR_Anomaly_DISTORTED1sddb40_20_30_33.txt": "\n".join(f"  {v:.7e}" for v in values),
        "UCR/204_UCR_Anomaly_Fantasia_10_49_49.txt": " ".join(map(str, values)),
        "UCR/README.txt": "not a series",
    }
    write(tmp_path, files, zipped)
    first, second = load_anomaly("UCRAnomaly", tmp_path).series
    assert (first.name, first.train_stop, first.windows) == ("001_UCR_Anomaly_DISTORTED1sddb40", 20, ((30, 33),))
    assert (second.train_stop, second.windows) == (10, ((49, 49),))
    np.testing.assert_allclose(first.values[:, 0], values, atol=1e-6)
    np.testing.assert_array_equal(second.timestamps, np.arange(50))
    assert len(load_anomaly("UCRAnomaly/204_UCR_Anomaly_Fantasia", tmp_path).series) == 1


def test_own_file_by_path_and_by_name(tmp_path):
    labels = np.array([0, 0, 0, 1, 1, 2, 0, 3, 3, 0])
    np.savez(tmp_path / "pump.npz", values=np.arange(20.0).reshape(10, 2), labels=labels, timestamps=np.arange(10) * 60)
    for found in (load_anomaly(tmp_path / "pump.npz"), load_anomaly("pump", tmp_path)):
        (pump,) = found.series
        assert (pump.name, pump.train_stop, pump.windows) == ("pump", 5, ((3, 4), (5, 5), (7, 8)))
        assert pump.timestamps[-1] == 540
        assert found.fingerprint() == load_anomaly("pump", tmp_path).fingerprint()
    np.savez(tmp_path / "flat.npz", values=np.arange(10.0), labels=labels > 0, train_stop=3)
    flat = load_anomaly("flat", tmp_path, train_fraction=0.9).series[0]
    assert (flat.values.shape, flat.train_stop, flat.windows) == ((10, 1), 3, ((3, 5), (7, 8)))


@given(st.lists(st.integers(0, 3), max_size=30))
def test_ranges_are_the_runs_of_one_number(numbers):
    found = ranges(np.array(numbers, np.int64))
    again = np.zeros(len(numbers), np.int64)
    for first, last in found:
        assert 1 <= numbers[first] == numbers[last]
        assert first == 0 or numbers[first - 1] != numbers[first]
        assert last == len(numbers) - 1 or numbers[last + 1] != numbers[last]
        again[first : last + 1] = numbers[first]
    np.testing.assert_array_equal(again, numbers)


def series(values, windows=(), train_stop=5, name="s"):
    values = np.asarray(values, np.float32)
    return AnomalySeries(name, values, np.arange(len(values)), windows, train_stop)


def test_standardised_by_the_training_part_alone():
    values = np.random.default_rng(0).normal(3, 2, size=(12, 2))
    values[2, 0] = np.nan
    changed = values.copy()
    changed[5:] *= 100
    one, other = series(values).standardised(), series(changed, windows=((7, 9),)).standardised()
    np.testing.assert_array_equal(one[:5], other[:5])
    np.testing.assert_allclose(np.nanmean(one[:5], 0), 0, atol=1e-6)
    np.testing.assert_allclose(np.nanstd(one[:5], 0), 1, atol=1e-6)
    assert not np.array_equal(one[5:], other[5:])


def test_fingerprint_tells_what_matters():
    values = np.arange(12.0)[:, None]
    marks = set()
    for one in (
        series(values),
        series(values + 1),
        series(values, train_stop=6),
        series(values, windows=((7, 8),)),
        series(values, windows=((7, 9),)),
        series(values, name="t"),
    ):
        marks.add(AnomalySet("set", "test", (one,)).fingerprint())
    assert len(marks) == 6


ROWS = np.arange(12.0)[:, None]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"values": ROWS[:, 0]}, r"values: found shape \(12,\), want \[T, C\]"),
        ({"values": np.where(ROWS > 3, np.inf, ROWS)}, "infinite"),
        ({"values": np.where(ROWS < 5, np.nan, ROWS)}, "before train_stop: found NaN in every step"),
        ({"train_stop": 12}, "train_stop: found 12, want 1 to 11"),
        ({"train_stop": 0}, "train_stop: found 0"),
        ({"windows": ((3, 4), (4, 5))}, "windows: found 4 to 5 after 4"),
        ({"windows": ((3, 12),)}, "windows: found 3 to 12"),
        ({"windows": ((4, 3),)}, "windows: found 4 to 3"),
        ({"timestamps": np.arange(11)}, r"timestamps: found int64 in shape \(11,\), want \(12,\)"),
        ({"timestamps": np.arange(12.0)}, "timestamps: found float64"),
    ],
)
def test_wrong_series(arguments, message):
    fields = {"name": "s", "values": ROWS, "timestamps": np.arange(12), "windows": (), "train_stop": 5} | arguments
    with pytest.raises(InputError, match=message):
        AnomalySeries(**fields)


def test_wrong_sets():
    one, wide = series(ROWS), series(np.ones((12, 2)), name="wide")
    for members, message in [
        ((), "at least one"),
        ((one, one), "once"),
        ((one, wide), "wide: found 2 channels, want 1"),
    ]:
        with pytest.raises(InputError, match=message):
            AnomalySet("set", "test", members)


def damage(files, name, text):
    return {**files, name: text}


GOOD = nab({TAXI: (stamps(12), ["1.5"] * 12)}, {TAXI: [(START, START)]})
LABELS, TABLE = "labels/combined_windows.json", f"data/{TAXI}.csv"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"labels/other.json": "{}"}, "found NAB nowhere"),
        (damage(GOOD, LABELS, "{"), r"zip file archive.zip: labels/combined_windows.json: .*JSONDecodeError"),
        (damage(GOOD, LABELS, '{"a/b.csv": [["monday", "tuesday"]]}'), "combined_windows.json: .*ValueError"),
        (damage(GOOD, LABELS, '{"a/b.csv": []}'), "found no member 'data/a/b.csv'"),
        (damage(GOOD, TABLE, "time,x\n"), rf"{TABLE}: found the columns \['time', 'x'\]"),
        (damage(GOOD, TABLE, GOOD[TABLE].replace("1.5", "high")), f"{TABLE}: .*ValueError.*high"),
        (damage(GOOD, TABLE, b"\xff\xfe"), f"{TABLE}: .*UnicodeDecodeError"),
        (damage(GOOD, TABLE, GOOD[TABLE] + ",2\n"), "without a timestamp"),
        (nab({TAXI: (stamps(12, 5), ["1"] * 12)}, {TAXI: [(START, START)]}), "found no row from 2014-07-01"),
        (GOOD | {f"copy/{name}": text for name, text in GOOD.items()}, "found NAB more than once"),
    ],
)
def test_damaged_nab(tmp_path, files, message):
    write(tmp_path, files, True)
    with pytest.raises(InputError, match=message):
        load_anomaly("NAB", tmp_path)


def test_damaged_archives(tmp_path):
    (tmp_path / "NAB.zip").write_bytes(b"PK\x03\x04 and no more")
    for name in ("NAB", "MSL", "UCRAnomaly"):
        with pytest.raises(InputError, match=r"nowhere.*could not look into the damaged zip file NAB.zip"):
            load_anomaly(name, tmp_path)
    channels, labelled = spacecraft()
    pickled = npy(np.array([object()], object))
    for name, change, message in [
        ("pickle", {"data/test/P-1.npy": pickled}, r"data/test/P-1.npy: found pickled .*\(ValueError\)$"),
        ("cut", {"data/train/P-1.npy": npy(np.ones((4, 3)))[:-3]}, "data/train/P-1.npy: found .* damaged array"),
        ("width", {"data/train/P-1.npy": npy(np.ones((4, 2)))}, "P-1: found train \\(4, 2\\), test \\(9, 3\\)"),
        ("range", {"labeled_anomalies.csv": 'chan_id,spacecraft,anomaly_sequences\nP-1,SMAP,"[[8, 9]]"\n'}, "8 to 9"),
        ("text", {"labeled_anomalies.csv": "chan_id,spacecraft,anomaly_sequences\nP-1,SMAP,?\n"}, "JSONDecodeError"),
        (
            "missing",
            {"labeled_anomalies.csv": "chan_id,spacecraft,anomaly_sequences\nX-1,SMAP,[]\n"},
            "0 files train/X",
        ),
    ]:
        folder = tmp_path / name
        folder.mkdir()
        write(folder, official(channels, labelled) | change, True)
        with pytest.raises(InputError, match=message):
            load_anomaly("SMAP", folder)
    ucr = "001_UCR_Anomaly_a_5_8_9.txt"
    for name, files, message in [
        ("letters", {ucr: "1 2 x"}, f"{ucr}: .*ValueError"),
        ("short", {ucr: "1 2 3 4 5 6 7 8 9"}, "zip file archive.zip: 001_UCR_Anomaly_a: windows: found 8 to 9"),
        ("twice", {f"{folder}/{ucr}": "1 2 3 4 5 6 7 8 9 10" for folder in "ab"}, "more than once"),
    ]:
        folder = tmp_path / name
        folder.mkdir()
        write(folder, files, True)
        with pytest.raises(InputError, match=message):
            load_anomaly("UCRAnomaly", folder)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"values": ROWS}, "found no labels, want values and labels"),
        ({"values": ROWS, "labels": np.zeros(11, int)}, r"labels: found int64 in shape \(11,\)"),
        ({"values": ROWS, "labels": np.full(12, 0.5)}, "labels: found float64"),
        ({"values": ROWS, "labels": np.full(12, -1)}, "want .* from 0 up"),
        ({"values": ROWS, "labels": np.zeros(12, int), "train_stop": np.array([3, 4])}, "train_stop: found int64"),
        ({"values": np.array([None, {}]), "labels": np.zeros(2, int)}, r"values.npy: found pickled .*Error\)$"),
    ],
)
def test_wrong_own_files(tmp_path, arrays, message):
    np.savez(tmp_path / "own.npz", **arrays)
    with pytest.raises(InputError, match=message):
        load_anomaly(tmp_path / "own.npz")


def test_names_that_are_not_found(tmp_path, monkeypatch):
    monkeypatch.delenv("TSRL_DATA_DIR", raising=False)
    with pytest.raises(InputError, match="without a data folder"):
        load_anomaly("NAB")
    with pytest.raises(InputError, match=r"'NABB' nowhere; did you mean NAB"):
        load_anomaly("NABB", tmp_path)
    with pytest.raises(InputError, match="no file at"):
        load_anomaly(tmp_path / "none.npz")
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        np.savez(tmp_path / folder / "pump.npz", values=ROWS, labels=np.zeros(12, int))
    with pytest.raises(InputError, match=r"more than once in the data folder \(a/pump.npz, b/pump.npz\)"):
        load_anomaly("pump", tmp_path)
    for fraction in (0, 1, 2):
        with pytest.raises(InputError, match="train_fraction"):
            load_anomaly("NAB", tmp_path, fraction)


@pytest.mark.skipif(not list(Path(DATA).rglob("NAB.zip")) if DATA else True, reason="TSRL_DATA_DIR has no NAB.zip")
def test_real_nab():
    data = load_anomaly("NAB")
    windows = [one.windows for one in data.series]
    assert (len(data.series), sum(map(len, windows)), sum(len(one.values) for one in data.series)) == (58, 116, 365558)
    taxi = load_anomaly("NAB/realKnownCause/nyc_taxi").series[0]
    assert (len(taxi.values), len(taxi.windows), taxi.train_stop) == (10320, 5, 5160)
    assert taxi.values[0, 0] == 10844
    assert taxi.timestamps[taxi.windows[0][0]] == datetime(2014, 10, 30, 15, 30, tzinfo=UTC).timestamp()


@pytest.mark.skipif(not list(Path(DATA).rglob("SMAP_MSL.npz")) if DATA else True, reason="TSRL_DATA_DIR has no SMAP")
@pytest.mark.parametrize(("craft", "count", "channels"), [("SMAP", 54, 25), ("MSL", 27, 55)])
def test_real_spacecraft(craft, count, channels):
    data = load_anomaly(craft)
    assert (len(data.series), data.channels) == (count, channels)
    assert all(one.windows and one.windows[0][0] >= one.train_stop for one in data.series)


@pytest.mark.skipif(not list(Path(DATA).rglob("UCR_Anomaly*.zip")) if DATA else True, reason="TSRL_DATA_DIR has no UCR")
def test_real_ucr():
    data = load_anomaly("UCRAnomaly")
    assert all(len(one.windows) == 1 and one.windows[0][0] >= one.train_stop for one in data.series)
