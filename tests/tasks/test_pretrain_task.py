"""Training without scores: from an array and from a store, which gives the same model when it fits its cache."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import tsrl
from tsrl.config import Config, Pretrain, Train, options
from tsrl.data.store import write_store
from tsrl.data.synthetic import synthetic
from tsrl.data.tables import Table
from tsrl.encoders import DilatedConv
from tsrl.errors import InputError
from tsrl.experiment import experiment
from tsrl.report.schema import check_report
from tsrl.suite import suite

CONFIG = Config(
    method=options("ts2vec"),
    encoder=DilatedConv(width=4, features=6, depth=1),
    train=Train(steps=3, batch_size=4),
    task="pretrain",
    quiet=True,
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """40 series as a store of four row groups, and as an .npy file."""
    folder = tmp_path_factory.mktemp("corpus")
    x = 3 + 2 * synthetic(40, 32, channels=2).x
    np.save(folder / "array.npy", x)
    return write_store(folder / "store", [x], rows_per_group=10), folder / "array.npy", x


def test_a_store_trains_the_model_that_its_array_does(corpus, tmp_path):
    store, array, x = corpus
    reports = {}
    for name, path in (("store", store), ("array", array)):
        config = replace(CONFIG, dataset=str(path), workdir=tmp_path / name)
        reports[name] = experiment(config)
        check_report(reports[name])
    report = reports["store"]
    assert report["results"] == []
    assert report["dataset"] == {
        "name": "store", "source": "Parquet store store", "n_train": 40, "length": 32, "channels": 2
    }  # fmt: skip
    assert report["health"][0]["width"] == 6
    kept = {name: np.load(tmp_path / name / "embeddings.npz") for name in reports}
    assert kept["store"]["rows"].tolist() == list(range(40))
    # The scaler's sums are in another order.
    np.testing.assert_allclose(kept["store"]["z"], kept["array"]["z"], rtol=0, atol=1e-5)
    model = tsrl.load(tmp_path / "store")
    np.testing.assert_allclose(model.scaler.mean, x.mean((0, 1)), rtol=1e-5)
    np.testing.assert_allclose(model.embed(x), kept["store"]["z"], atol=1e-6)
    page = (tmp_path / "store" / "report.html").read_text(encoding="utf-8")
    assert "No table: this run only trained." in page


def test_settings_of_the_task(corpus, tmp_path):
    store, *_ = corpus
    config = replace(CONFIG, dataset=str(store), workdir=tmp_path / "raw", pretrain=Pretrain(scale=False))
    assert experiment(config)["config"]["trained_on"] == {"scale": False}
    assert tsrl.load(tmp_path / "raw").scaler is None
    with pytest.raises(InputError, match="want at most cache_bytes = 0"):
        experiment(replace(config, pretrain=Pretrain(memory_mb=0), workdir=tmp_path / "none"))
    with pytest.raises(InputError, match="want 1: run its seeds in sequence"):
        experiment(replace(config, seeds=2, workdir=tmp_path / "two"))
    with pytest.raises(InputError, match=r"found a folder at .*\(--task pretrain reads a folder of"):
        experiment(replace(config, task="classify", workdir=tmp_path / "other"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["raw"]


def test_flat_lists_that_do_not_say_their_channels(tmp_path):
    x = np.random.default_rng(0).normal(size=(6, 40)).astype(np.float32)
    parquet.write_table(pa.table({"x": list(x)}), tmp_path / "plain.parquet")
    config = replace(CONFIG, dataset=str(tmp_path / "plain.parquet"), workdir=tmp_path / "run")
    with pytest.raises(InputError, match="channels"):
        experiment(config)
    report = experiment(replace(config, pretrain=Pretrain(channels=2)))
    assert (report["dataset"]["length"], report["dataset"]["channels"]) == (20, 2)


def test_several_sets_are_not_compared(corpus, tmp_path):
    store, array, _ = corpus
    config = replace(CONFIG, datasets=f"{store},{array}", workdir=tmp_path / "both")
    assert [report["dataset"]["name"] for report in suite(config)] == ["store", "array"]
    assert not (tmp_path / "both" / "comparison.json").exists()


def test_a_table_keeps_its_ids_and_its_validation_and_a_store_takes_no_settings(corpus, tmp_path):
    rows = "".join(f"s{i},{step},{(i * step) % 7}\n" for i in range(600) for step in range(12))
    (tmp_path / "own.csv").write_text("id,at,v\n" + rows)
    table = Table(id="id", time="at")
    config = replace(CONFIG, dataset=str(tmp_path / "own.csv"), table=table, workdir=tmp_path / "run")
    report = experiment(config)
    assert report["dataset"]["validation"]["series"] == 600
    with np.load(tmp_path / "run" / "embeddings.npz") as kept:
        assert kept["ids"].tolist() == [f"s{row}" for row in kept["rows"]]
        assert kept["rows"][-1] == 599
    with pytest.raises(InputError, match=r"table.id: found 'id' for a store, which is no table"):
        experiment(replace(config, dataset=str(corpus[0]), workdir=tmp_path / "none"))


def test_a_drawn_corpus_with_training_series_of_a_set(waves, tmp_path):
    asked = Pretrain(scale=False, series=6, length=32, sets=str(waves), per_set=3)
    config = replace(CONFIG, dataset="synthetic", pretrain=asked, workdir=tmp_path / "run")
    report = experiment(config)
    check_report(report)
    assert report["dataset"] == {
        "name": "synthetic", "source": "6 synthetic series, 3 training series of each set", "n_train": 9, "length": 32,
        "channels": 1, "synthetic": 6, "sets": [str(waves)], "per_set": 3, "corpus_seed": 0
    }  # fmt: skip
    # Drawn alike it is taken up again; drawn otherwise it is another run.
    assert experiment(config)["dataset"] == report["dataset"]
    other = replace(config, pretrain=replace(asked, corpus_seed=1))
    with pytest.raises(InputError, match="workdir"):
        experiment(other)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"series": 0}, "pretrain.series, pretrain.sets: found 0 and none"),
        ({"length": 8}, "pretrain.length: found 8, want a whole number from 32 up"),
        ({"sets": "nowhere", "series": 4}, "nowhere"),
    ],
)
def test_a_corpus_that_is_refused(settings, message):
    with pytest.raises(InputError, match=message):
        experiment(replace(CONFIG, dataset="synthetic", pretrain=Pretrain(**settings)))
