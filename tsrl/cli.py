"""The `tsrl` command."""

import argparse
import runpy
import sys
from pathlib import Path

import tsrl
from tsrl.errors import InputError, nearest


def main(args: list[str] | None = None) -> None:
    """`tsrl train NAME [flags]`: the same as `python experiments/NAME.py [flags]`; `NAME --help` lists the flags."""
    parser = argparse.ArgumentParser(prog="tsrl", description=tsrl.__doc__)
    parser.add_argument("--version", action="version", version=f"tsrl {tsrl.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    train = commands.add_parser("train", help="train and evaluate a method as its paper does", add_help=False)
    train.add_argument("name", nargs="?", help="a method, for example ts2vec")
    train.add_argument("flags", nargs=argparse.REMAINDER, help="flags of the experiment")
    parsed = parser.parse_args(args)
    scripts = experiment_scripts()
    if parsed.name not in scripts:
        shown = InputError(f"method: found {parsed.name or 'none'}; {nearest(parsed.name or '', scripts)}")
        print(f"error: {shown}", file=sys.stderr)
        raise SystemExit(2)
    # The script is run, not imported: it stays the only place that holds the paper's settings.
    script = runpy.run_path(str(scripts[parsed.name]), run_name="tsrl.cli.script")
    from tsrl.experiment import main as run_experiment

    run_experiment(script["CONFIG"], parsed.flags, prog=f"tsrl train {parsed.name}")


def experiment_scripts() -> dict[str, Path]:
    """The experiment scripts by name: those of the checkout, or the copies inside an installed package."""
    package = Path(tsrl.__file__).parent
    for folder in (package / "_experiments", package.parent / "experiments"):
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob("*.py"))}
    return {}
