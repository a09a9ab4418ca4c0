"""Tables of the user's own as data sets: to classify, to regress, with labelled anomalies."""

import re
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from set_files import ts_text

from tsrl.config import Classify, Config, config_json, options
from tsrl.data.anomaly import load_anomaly
from tsrl.data.named import load
from tsrl.data.regression import load_regression
from tsrl.data.tables.settings import Table
from tsrl.encoders import DilatedConv
from tsrl.errors import InputError
from tsrl.tasks import TASKS

SETTINGS = Table(id="machine", time="at", label="state", group="site", split="part")


def frame(labels=("ok", "worn", "ok"), parts=("train", "train", "test"), steps=(4, 3, 4)):
    """Rows of three machines, mixed; the sensor counts on from a hundred times the machine's number."""
    rows = [
        (f"m{machine}", step, 100.0 * machine + step, labels[machine], f"s{machine}", parts[machine])
        for machine in range(3)
        for step in range(steps[machine])
    ]
    # Step by step, so that the machines' rows are mixed.
    rows.sort(key=lambda row: row[1])
    machine, at, sensor, state, site, part = map(list, zip(*rows, strict=True))
    stamps = np.datetime64("2024-05-01", "s") + np.array(at) * np.timedelta64(60, "s")
    return pa.table({"machine": machine, "at": stamps, "sensor": sensor, "state": state, "site": site, "part": part})


def write(table, path):
    (pa.parquet.write_table if path.suffix == ".parquet" else pa.csv.write_csv)(table, path)
    return path


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_labelled_series(tmp_path, ending):
    write(frame(), tmp_path / f"fleet.{ending}")
    data = load("fleet", tmp_path, SETTINGS)
    assert data.name == "fleet"
    assert data.source == f"{ending} file fleet.{ending}"
    assert data.x_train[:, 0, 0].tolist() == [0, 100]
    assert np.isnan(data.x_train[1, 3, 0])
    assert (data.classes, data.y_train.tolist(), data.y_test.tolist()) == (("ok", "worn"), [0, 1], [0])
    assert (data.rows["id_train"].tolist(), data.rows["id_test"].tolist()) == (["m0", "m1"], ["m2"])
    assert data.rows["group_test"].tolist() == ["s2"]
    assert data.rows["start_train"].astype("datetime64[s]").tolist() == [np.datetime64("2024-05-01", "s").item()] * 2


def test_without_a_split_all_series_are_for_training(tmp_path):
    path = write(frame().drop_columns(["state", "part", "site"]), tmp_path / "fleet.csv")
    data = load(path, table=Table(id="machine", time="at"))
    assert (data.x_train.shape, data.x_test, data.y_train) == ((3, 4, 1), None, None)
    split = load(write(frame(), tmp_path / "labelled.csv"), table=Table(id="machine", time="at", group="site"))
    split = split.resplit("grouped", 0)
    assert {*split.rows["id_train"], *split.rows["id_test"]} == {"m0", "m1", "m2"}


def test_one_long_series(tmp_path):
    path = write(pa.table({"a": [1.0, 2, 3], "b": [4.0, 5, 6]}), tmp_path / "one.csv")
    assert load(path).x_train.tolist() == [[[1, 4], [2, 5], [3, 6]]]


def test_a_class_of_the_test_part_alone_is_refused(tmp_path):
    path = write(frame(labels=("ok", "ok", "worn")), tmp_path / "fleet.csv")
    with pytest.raises(InputError, match=r"csv file fleet\.csv: y_test: found the label 'worn', want one that y_train"):
        load(path, table=SETTINGS)


def test_numbers_to_predict(tmp_path):
    path = write(frame(labels=(0.5, 1.25, 2.0)), tmp_path / "wear.csv")
    data = load_regression(path, table=SETTINGS)
    assert (data.name, data.y_train.tolist(), data.y_test.tolist()) == ("wear", [0.5, 1.25], [2.0])
    assert data.x_test[0, :, 0].tolist() == [200, 201, 202, 203]
    with pytest.raises(InputError, match=r"column 'site' \(label\): found cells that are no numbers"):
        load_regression(path, table=Table(id="machine", time="at", label="site", split="part"))
    with pytest.raises(InputError, match=r"found no column for label, want table\.label: the number to predict"):
        load_regression(path, table=replace(SETTINGS, label=None))
    unsplit = replace(SETTINGS, split=None)
    with pytest.raises(InputError, match=r"found no test part, want table.split, or classify.split to draw one"):
        load_regression(path, table=unsplit)
    drawn = load_regression(path, table=unsplit, split="random", seed=3)
    numbers = dict(zip(["m0", "m1", "m2"], [0.5, 1.25, 2.0], strict=True))
    assert [numbers[name] for name in drawn.rows["id_train"]] == drawn.y_train.tolist()
    assert [numbers[name] for name in drawn.rows["id_test"]] == drawn.y_test.tolist()
    with pytest.raises(InputError, match=r"classify.split: found random for Covid3Month, want a table to split"):
        load_regression("Covid3Month", split="random")


def test_numbers_to_predict_in_ts_files(tmp_path):
    pytest.importorskip("aeon")
    x = np.random.default_rng(0).normal(size=(3, 5, 1)).astype(np.float32)
    for part, y in (("TRAIN", ["0.5", "1.5", "2.5"]), ("TEST", ["3.5", "4.5", "5.5"])):
        text = re.sub("@classLabel true.*", "@targetLabel true", ts_text(x, y))
        (tmp_path / f"Wear_{part}.ts").write_text(text)
    data = load_regression("Wear", tmp_path)
    np.testing.assert_array_equal(data.x_test, x)
    assert data.y_test.tolist() == [3.5, 4.5, 5.5]
    (tmp_path / "Wear_TEST.ts").write_text("@targetLabel true\n@data\n1,2:x\n")
    with pytest.raises(InputError, match=r"^Wear_TRAIN.ts: found a damaged file"):
        load_regression(tmp_path / "Wear_TRAIN.ts")
    (tmp_path / "Wear_TEST.ts").unlink()
    with pytest.raises(InputError, match=r"found no @targetLabel true or no Wear_TEST\.ts beside it"):
        load_regression("Wear", tmp_path)


def anomalies(labels=(0, 0, 1, 1, 0, 2), count=6, ids=None):
    table = {"v": np.arange(float(count)), "w": np.ones(count), "odd": labels}
    return pa.table(table | ({} if ids is None else {"pump": ids}))


def test_labels_of_steps(tmp_path):
    path = write(anomalies(), tmp_path / "pump.csv")
    data = load_anomaly(path, table=Table(label="odd"))
    (series,) = data.series
    assert (data.name, series.windows, series.train_stop, series.timestamps.tolist()) == (
        "pump", ((2, 3), (5, 5)), 3, list(range(6))
    )  # fmt: skip
    np.testing.assert_array_equal(series.values, np.stack([np.arange(6), np.ones(6)], -1))
    assert load_anomaly("pump", tmp_path, table=Table(label="odd", values=("w",))).channels == 1


def test_several_series_and_their_time(tmp_path):
    table = anomalies(ids=list("abaabb")).append_column("at", pa.array([60, 0, 120, 180, 60, 120]))
    path = write(table, tmp_path / "pumps.parquet")
    data = load_anomaly(path, train_fraction=0.4, table=Table(id="pump", time="at", label="odd"))
    assert [(one.name, one.windows, one.timestamps.tolist()) for one in data.series] == [
        ("a", ((1, 2),), [60, 120, 180]),
        ("b", ((2, 2),), [0, 60, 120]),
    ]


def test_a_merged_step_is_labelled_if_one_of_its_rows_is(tmp_path):
    stamps = np.datetime64("2024-01-01", "s") + np.array([0, 30, 60, 90, 300, 360]) * np.timedelta64(1, "s")
    path = write(anomalies((0, 0, 0, 1, 0, 1)).append_column("at", pa.array(stamps)), tmp_path / "pump.csv")
    settings = Table(time="at", label="odd", irregular="resample", every="1min")
    (series,) = load_anomaly(path, table=settings).series
    # Minutes 2 to 4 have no row: no values, no label.
    assert series.numbered.tolist() == [0, 1, 0, 0, 0, 0, 2]
    assert np.isnan(series.values[2:5]).all()
    assert series.timestamps[1] - series.timestamps[0] == 60


WRONG = {
    "no label": (anomalies(), Table(), "found no column for label in a long table"),
    "broken": (
        anomalies((0, 0.5, 0, 1, 0, 0)),
        Table(label="odd"),
        "column 'odd' .label.: found 0.5 in row 1, want whole",
    ),
    "negative": (anomalies((0, -1, 0, 1, 0, 0)), Table(label="odd"), "found -1.0 in row 1, want whole numbers"),
    "empty": (anomalies((0, None, 0, 1, 0, 0)), Table(label="odd"), "found no value in row 1, want whole numbers"),
    "text": (anomalies(list("aabbaa")), Table(label="odd"), "column 'odd': found 'a' in row 0, want numbers"),
    "alone": (anomalies().select(["odd"]), Table(label="odd"), r"found no column of numbers beside \['odd'\]"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_labels_of_steps(tmp_path, case):
    table, settings, message = WRONG[case]
    with pytest.raises(InputError, match=message):
        load_anomaly(write(table, tmp_path / "pump.csv"), table=settings)


def test_decimal_commas_in_numbers_to_predict(tmp_path):
    rows = "".join(2 * f"{i};{i},5;{i},25\n" for i in range(6))
    (tmp_path / "eu.csv").write_text("id;v;y\n" + rows)
    settings = Table(id="id", label="y", delimiter=";", decimal=",")
    data = load_regression(tmp_path / "eu.csv", table=settings, split="random", seed=1)
    assert sorted([*data.y_train, *data.y_test]) == [i + 0.25 for i in range(6)]


def test_another_seed_draws_another_split_and_is_another_run(tmp_path):
    rows = "".join(2 * f"s{i},{i}.5,{'ab'[i % 2]},{i}\n" for i in range(30))
    (tmp_path / "own.csv").write_text("id,v,kind,y\n" + rows)
    common = {"method": options("ts2vec"), "encoder": DilatedConv(), "dataset": str(tmp_path / "own.csv")}
    for task, label in (("classify", "kind"), ("regress", "y")):
        drawn = []
        for seed in (0, 1, 1):
            how = Classify(split="random", split_seed=seed)
            table = Table(id="id", label=label, values=("v",))
            config = Config(**common, task=task, classify=how, table=table)
            found = load(config.dataset, table=table).resplit("random", seed) if task == "classify" else None
            if found is None:
                found = load_regression(config.dataset, table=table, split="random", seed=seed)
            drawn.append((found.rows["id_test"].tolist(), found.fingerprint()))
            data = TASKS[task].load(replace(config, dataset=config.dataset))
            assert data.rows["id_test"].tolist() == drawn[-1][0]
            assert config_json(config)["trained_on"] == {"split": "random", "split_seed": seed}
        assert drawn[0][0] != drawn[1][0]
        assert drawn[0][1] != drawn[1][1]
        assert drawn[1] == drawn[2]
    published = Config(**common, classify=Classify(split_seed=5))
    assert config_json(published)["trained_on"] == {"split": "published"}
