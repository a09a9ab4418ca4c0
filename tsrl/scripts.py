"""`tsrl train`: the experiment scripts by name, what they say of themselves, and how one is run."""

import ast
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

import tsrl
from tsrl.errors import InputError, nearest
from tsrl.process import exit_codes


def experiment_scripts() -> dict[str, Path]:
    """The experiment scripts by name: those of the checkout, or the copies inside an installed package."""
    package = Path(tsrl.__file__).parent
    for folder in (package / "_experiments", package.parent / "experiments"):
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob("*.py"))}
    return {}


def about_script(path: Path) -> str:
    """The docstring of a script, which is not imported for it; "" where there is none."""
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


def main(args: Sequence[str]) -> None:
    """`tsrl train NAME [flags]` is the same as `python experiments/NAME.py [flags]`.

    Raises:
      InputError: no name, or no script of that name.
    """
    scripts = experiment_scripts()
    if not args:
        raise InputError(f"method: found none, want one of {', '.join(scripts)}")
    if args[0] in ("-h", "--help"):
        print(_help(scripts))
        raise SystemExit(0)
    name, *flags = args
    if name not in scripts:
        raise InputError(f"method: found {name!r}; {nearest(name, scripts)}")
    # The script is run, not imported: it stays the only place that holds the paper's settings. Its folder is searched
    # for what it imports, as where Python starts it.
    sys.path.insert(0, str(scripts[name].parent))
    found = runpy.run_path(str(scripts[name]), run_name="tsrl.cli.script")
    if "CONFIG" not in found:
        # A comparison has more than one run and flags of its own; unless it says otherwise, a stop loses its work.
        with exit_codes("what was not finished is lost, the same command makes it anew", 143):
            found["main"](flags, f"tsrl train {name}")
        return
    from tsrl.script import main as run_experiment

    run_experiment(found["CONFIG"], flags, f"tsrl train {name}", found["__doc__"], settings=found.get("settings"))


def _help(scripts: dict[str, Path]) -> str:
    width = max(map(len, scripts)) + 2
    return "\n".join(
        [
            "usage: tsrl train NAME [flags]",
            "",
            "Trains a method as its paper does and evaluates it, or runs a comparison; `tsrl train NAME --help` lists",
            "the flags of one. It is the same as `python experiments/NAME.py`.",
            "",
            "scripts:",
            *(f"  {name:{width}}{about_script(path).partition(chr(10))[0]}" for name, path in scripts.items()),
        ]
    )
