"""The `tsrl` command."""

import argparse
import runpy
import sys
from pathlib import Path

import tsrl
from tsrl.errors import nearest


def main(args: list[str] | None = None) -> None:
    """The `tsrl` command.

    `tsrl train NAME [flags]` is the same as `python experiments/NAME.py [flags]`; `tsrl evaluate [flags]` judges
    embeddings in a file; `tsrl datasets` lists what there is to train on; `tsrl embed IN OUT --model DIR` embeds files
    of any size; `tsrl monitor` finds unusual behaviour in a log of users' actions; `tsrl export MODEL OUT` writes a
    model as files that run without tsrl; `tsrl report RUNS...` makes one page of many runs. `--help` after each lists
    its flags.
    """
    try:
        _main(sys.argv[1:] if args is None else args)
    except KeyboardInterrupt:
        # While the libraries were still being imported.
        print("stopped", file=sys.stderr)
        raise SystemExit(130) from None


def _main(args: list[str]) -> None:
    scripts = experiment_scripts()
    parser = argparse.ArgumentParser(prog="tsrl", description=tsrl.__doc__)
    parser.add_argument("--version", action="version", version=f"tsrl {tsrl.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    train = commands.add_parser(
        "train",
        help="train and evaluate a method as its paper does, or run a comparison",
        epilog=f"scripts: {', '.join(scripts)}; `tsrl train NAME --help` lists the flags of one",
    )
    train.add_argument("name", help="a script, for example ts2vec")
    train.add_argument("flags", nargs=argparse.REMAINDER, help="flags of the experiment")
    commands.add_parser("evaluate", help="judge embeddings in an .npz file", add_help=False)
    commands.add_parser("datasets", help="list, show or prepare data sets", add_help=False)
    commands.add_parser("embed", help="embed files of any size with a trained model", add_help=False)
    commands.add_parser("monitor", help="find unusual behaviour in a log of users' actions", add_help=False)
    commands.add_parser("export", help="write a trained model as files that run without tsrl", add_help=False)
    commands.add_parser("report", help="one page about the results of many runs", add_help=False)
    if args[:1] in (["evaluate"], ["datasets"], ["embed"], ["monitor"], ["export"], ["report"]):
        from tsrl import script

        getattr(script, args[0])(args[1:])
        return
    parsed = parser.parse_args(args)
    if parsed.name not in scripts:
        print(f"error: method: found {parsed.name!r}; {nearest(parsed.name, scripts)}", file=sys.stderr)
        raise SystemExit(2)
    # The script is run, not imported: it stays the only place that holds the paper's settings. Its folder is searched
    # for what it imports, as where Python starts it.
    sys.path.insert(0, str(scripts[parsed.name].parent))
    found = runpy.run_path(str(scripts[parsed.name]), run_name="tsrl.cli.script")
    if "CONFIG" not in found:
        # A comparison has more than one run and flags of its own.
        found["main"](parsed.flags, f"tsrl train {parsed.name}")
        return
    from tsrl.script import main as run_experiment

    run_experiment(
        found["CONFIG"], parsed.flags, f"tsrl train {parsed.name}", found["__doc__"], settings=found.get("settings")
    )


def experiment_scripts() -> dict[str, Path]:
    """The experiment scripts by name: those of the checkout, or the copies inside an installed package."""
    package = Path(tsrl.__file__).parent
    for folder in (package / "_experiments", package.parent / "experiments"):
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob("*.py"))}
    return {}


if __name__ == "__main__":
    main()
