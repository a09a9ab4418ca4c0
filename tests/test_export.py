"""`tsrl export`: programs that run without the library, weights that come back bit-equal, a card, refusals."""

import json
import re
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import tsrl
from tsrl.cli import main as tsrl_command
from tsrl.config import options
from tsrl.data.scaling import Scaler
from tsrl.embedder import Embedder
from tsrl.encoders import ENCODERS, DilatedConv
from tsrl.errors import InputError
from tsrl.types import as_batch

pytest.importorskip("flatbuffers", reason="flatbuffers is not installed: the extra export")

from tsrl.export import export_model, load_exported, programs
from tsrl.export.weights import weights_bytes

ENCODER = DilatedConv(width=4, features=6, depth=2)
X = np.random.default_rng(0).normal(size=(9, 15, 2)).astype(np.float32) * [3, 0.1] + [10, -1]
X = X.astype(np.float32)
X[1, 3:5] = np.nan
X[2, 7, 1] = np.nan
CASES = {
    # method: settings, encoder, its sizes, what the length of `embed` is, and of `encode`.
    "ts2vec": ({}, "DilatedConv", {"width": 4, "features": 6, "depth": 2}, None, None),
    "timedrl": ({"patch_len": 4, "stride": 4}, "Transformer", {"width": 8, "heads": 2}, None, None),
    "tnc": ({"window": 4, "samples": 2}, "Recurrent", {"width": 8, "features": 8}, 15, None),
    "simclr": ({"hidden": 8, "output": 4}, "PooledConv", {"width": 4, "features": 8, "kernel_size": 3}, None, None),
}


def made(method, settings, encoder, sizes, length=15, scale=True):
    """A model with its initial weights, and another mean and scale than none."""
    chosen, module = options(method, **settings), ENCODERS[encoder](**sizes)
    built = chosen.build(module)
    params, aux = jax.jit(built.init)(jax.random.key(0), as_batch(np.zeros((1, 15, 2), np.float32)))
    return Embedder(chosen, module, params, aux, 2, Scaler.of(X) if scale else None, length)


@pytest.fixture(scope="module")
def model():
    return tsrl.pretrain(X, steps=2, batch_size=4, encoder=ENCODER, scale=True)


@pytest.fixture(scope="module")
def out(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "out"
    export_model(model, folder, platforms=("cpu",))
    return folder


def without_tsrl(code, folder):
    """Runs a script where importing tsrl fails."""
    blocked = f"import sys\nsys.modules['tsrl'] = None\n{code}"
    done = subprocess.run([sys.executable, "-c", blocked], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_programs_run_without_the_library(model, out, tmp_path):
    """Other numbers of rows and steps than in training; NaN goes in as it is."""
    short = X[:3, :8]
    np.savez(tmp_path / "x.npz", x=X, short=short)
    without_tsrl(
        f"""
import numpy as np
from jax import export
with np.load({str(tmp_path / "x.npz")!r}) as file:
    given = dict(file)
made = {{}}
for name in ("embed", "encode"):
    program = export.deserialize(bytearray(open(name + ".stablehlo", "rb").read()))
    for part, x in given.items():
        made[name + "_" + part] = np.asarray(program.call(x))
try:
    import tsrl
except ImportError:
    np.savez({str(tmp_path / "z.npz")!r}, **made)
""",
        out,
    )
    with np.load(tmp_path / "z.npz") as z:
        assert len(z.files) == 4
        for part, x in (("x", X), ("short", short)):
            np.testing.assert_allclose(z[f"embed_{part}"], model.embed(x), atol=1e-5)
            np.testing.assert_allclose(z[f"encode_{part}"], model.encode(x), atol=1e-5)


def test_the_cards_example_runs_without_the_library(out):
    card = (out / "README.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", card, re.S)
    assert without_tsrl(example, out).strip() == "(4, 6)"


@pytest.mark.parametrize("method", CASES)
def test_a_method_as_programs(method):
    """Lengths that were not compared when the program was made, more rows, missing steps; all platforms."""
    settings, encoder, sizes, *lengths = CASES[method]
    model = made(method, settings, encoder, sizes)
    for name, length in zip(("embed", "encode"), lengths, strict=True):
        program = programs.exported(model, name, None, ("cpu", "cuda", "tpu"))
        assert program.length == length
        assert bool(program.reason) == (length is not None)
        assert program.difference < 1e-5
        loaded = jax.export.deserialize(bytearray(program.content))
        assert loaded.platforms == ("cpu", "cuda", "tpu")
        for x in [X] if length else [X, X[:5, :11], X[:1, : max(program.shortest, 2)]]:
            np.testing.assert_allclose(loaded.call(x), getattr(model, name)(x), atol=1e-5)
        if program.shortest > 1:
            with pytest.raises(ValueError, match=r"refining shapes|length"):
                loaded.call(X[:, : program.shortest - 1])


def test_a_length_makes_a_program_of_that_length(model):
    program = programs.exported(model, "embed", 12, ("cpu",))
    loaded = jax.export.deserialize(bytearray(program.content))
    assert (program.length, program.output) == (12, "[batch, 6]")
    np.testing.assert_allclose(loaded.call(X[:, :12]), model.embed(X[:, :12]), atol=1e-5)
    with pytest.raises(ValueError, match="15"):
        loaded.call(X)


def test_a_length_that_is_needed_and_not_known_is_refused():
    settings, encoder, sizes, *_ = CASES["tnc"]
    model = made("tnc", settings, encoder, sizes, length=2)
    with pytest.raises(InputError, match=r"length: not given, and not known.*`embed`.*want --length"):
        programs.exported(model, "embed", None, ("cpu",))
    assert programs.exported(model, "embed", 15, ("cpu",)).length == 15


def test_a_program_that_is_not_the_models_is_refused(model, monkeypatch):
    of_raw = programs._of_raw
    monkeypatch.setattr(programs, "_of_raw", lambda model, name: lambda x: of_raw(model, name)(x) * 1.01)
    with pytest.raises(InputError, match="embed: found a program that differs"):
        programs.exported(model, "embed", 12, ("cpu",))


def test_the_weights_come_back_bit_equal(model, out):
    again = load_exported(out)
    assert jax.tree.all(jax.tree.map(np.array_equal, (again.params, again.aux), (model.params, model.aux)))
    assert (again.options, again.encoder, again.length) == (model.options, model.encoder, model.length)
    np.testing.assert_array_equal(again.scaler.std, model.scaler.std)
    np.testing.assert_array_equal(again.embed(X), model.embed(X))
    np.testing.assert_array_equal(again.encode(X), model.encode(X))
    assert weights_bytes(again) == weights_bytes(model)


@pytest.mark.parametrize("method", ["timedrl", "simclr"])
def test_batch_statistics_and_no_scaler_come_back(method, tmp_path):
    settings, encoder, sizes, *_ = CASES[method]
    model = made(method, settings, encoder, sizes, scale=False)
    about = export_model(model, tmp_path / "out", functions=())
    again = load_exported(tmp_path / "out")
    assert again.scaler is None
    assert jax.tree.leaves(model.aux)
    assert jax.tree.structure(again.aux) == jax.tree.structure(model.aux)
    np.testing.assert_array_equal(again.embed(X), model.embed(X))
    assert sorted(about["files"]) == ["README.md", "config.json", "weights.safetensors"]


def test_paths_of_this_machine_are_not_in_the_files(model, out, tmp_path):
    """Nor is anything else that differs between two exports."""
    export_model(model, tmp_path / "again", platforms=("cpu",))
    names = sorted(path.name for path in out.iterdir())
    assert names == [
        "README.md", "config.json", "embed.stablehlo", "encode.stablehlo", "export.json", "weights.safetensors"
    ]  # fmt: skip
    for name in names:
        content = (out / name).read_bytes()
        assert content == (tmp_path / "again" / name).read_bytes(), name
        assert str(Path(tsrl.__file__).parents[1]).encode() not in content, name
        assert str(Path(jax.__file__).parent).encode() not in content, name


def test_altered_files_are_refused(out, tmp_path):
    def copy(name):
        folder = tmp_path / name
        folder.mkdir()
        for path in out.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
        return folder

    for name in json.loads((out / "export.json").read_text())["files"]:
        folder = copy(name)
        content = bytearray((folder / name).read_bytes())
        content[-2] ^= 1
        (folder / name).write_bytes(content)
        with pytest.raises(InputError, match=rf"{re.escape(name)}: found SHA-256 .*altered"):
            load_exported(folder)
        (folder / name).unlink()
        with pytest.raises(InputError, match=f"found no file {re.escape(name)}"):
            load_exported(folder)
    with pytest.raises(InputError, match=r"found no export\.json"):
        load_exported(tmp_path)
    for wrong, message in (("{", "not JSON"), ("{}", "another form"), ('{"schema": 1, "files": {}}', "no hash")):
        (folder / "export.json").write_text(wrong)
        with pytest.raises(InputError, match=message):
            load_exported(folder)


def test_weights_of_another_model_are_refused(model, out):
    from safetensors.numpy import load, save

    from tsrl.export.weights import model_of

    settings = json.loads((out / "config.json").read_text())
    arrays = load((out / "weights.safetensors").read_bytes())
    name = next(name for name in arrays if name.startswith("params/encoder/"))
    with pytest.raises(InputError, match=f"found no array {name}"):
        model_of(settings, save({key: value for key, value in arrays.items() if key != name}))
    with pytest.raises(InputError, match=f"{name}: found float32 of shape"):
        model_of(settings, save(arrays | {name: np.zeros(77, np.float32)}))
    with pytest.raises(InputError, match="does not have: params/more"):
        model_of(settings, save(arrays | {"params/more": np.zeros(1, np.float32)}))


def run_of(waves, folder):
    """A small run, and its folder."""
    small = ["--encoder.width", "4", "--encoder.features", "6", "--encoder.depth", "1", "--train.steps", "2"]
    small += ["--seeds", "2", "--no-controls", "--quiet", "--classify.protocols", "logistic"]
    tsrl_command(["train", "ts2vec", "--dataset", str(waves), "--workdir", str(folder), *small])


def test_the_command_on_a_run(waves, tmp_path, capsys):
    run_of(waves, tmp_path / "run")
    capsys.readouterr()
    command = ["export", str(tmp_path / "run"), str(tmp_path / "out"), "--licence", "CC-BY-4.0", "--platforms", "cpu"]
    tsrl_command([*command, "--seed", "1", "--functions", "embed", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told.pop("out") == str(tmp_path / "out")
    assert told == json.loads((tmp_path / "out" / "export.json").read_text())
    assert list(told["functions"]) == ["embed"]
    again, model = load_exported(tmp_path / "out"), tsrl.load(tmp_path / "run", seed=1)
    np.testing.assert_array_equal(again.embed(X), model.embed(X))
    card = (tmp_path / "out" / "README.md").read_text()
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    (row,) = (row for row in report["results"] if row["seed"] == 1 and row["protocol"] == "logistic")
    assert f"| ts2vec | method | logistic |  | {row['scores']['accuracy']:.3f} |" in card
    for line in ("# ts2vec on waves.npz", "Licence: CC-BY-4.0", "| training | steps | 2 |", "| run | seed | 1 |"):
        assert line in card.splitlines()
    assert told["run"]["data"] in card
    for name, digest in told["files"].items():
        assert name == "README.md" or f"| `{name}` | `{digest}` |" in card
    assert str(tmp_path) not in card


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["nothing", "out"], "found no config.json"),
        (["model", "full"], "out: found files in full"),
        (["model", "full/file"], "out: found a file at full/file"),
        (["model", "out", "--length", "0"], "length: found 0"),
        (["events", "out"], "model: found a model of events"),
        (["model", "out", "--seed", "5"], "seed: found 5"),
    ],
)
def test_wrong_input_ends_with_2_and_writes_nothing(model, tmp_path, monkeypatch, capsys, args, message):
    monkeypatch.chdir(tmp_path)
    model.save("model")
    Path("full").mkdir()
    Path("full/file").write_text("")
    Path("events").mkdir()
    Path("events/config.json").write_text('{"events": {}}')
    with pytest.raises(SystemExit) as ended:
        tsrl_command(["export", *args])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert not Path("out").exists()
    assert not list(tmp_path.glob(".*"))


def test_what_is_not_installed_is_named(model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "flatbuffers", None)
    with pytest.raises(InputError, match=r"found no flatbuffers, want it.*tsrl\[export\]"):
        export_model(model, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_python_arguments_are_checked(model, tmp_path):
    for given, message in (
        ({"functions": ("embde",)}, "functions: found 'embde'; did you mean embed"),
        ({"platforms": ("gpu",)}, "platforms: found 'gpu'"),
        ({"platforms": ()}, "platforms: found none"),
        ({"seed": 1}, "seed, step: found with an Embedder"),
    ):
        with pytest.raises(InputError, match=message):
            export_model(model, tmp_path / "out", **given)


def test_help_has_an_example_and_costs_no_import(capsys):
    with pytest.raises(SystemExit) as ended:
        tsrl_command(["export", "--help"])
    assert ended.value.code == 0
    assert "tsrl export runs/ts2vec-BasicMotions-seed0 exported" in capsys.readouterr().out
    code = (
        "import sys; from tsrl.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print(sorted({'jax', 'flax', 'tyro', 'safetensors'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert " export " in done.stdout


def test_load_says_what_reads_an_export(tmp_path):
    (tmp_path / "export.json").write_text("{}")
    with pytest.raises(InputError, match=r"found an export in .*; tsrl\.export\.load_exported reads it"):
        tsrl.load(tmp_path)
