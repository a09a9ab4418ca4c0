"""`tsrl completion SHELL`: prints a script that completes commands, scripts of `tsrl train`, flags and choices."""

import argparse
import runpy
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

import shtab
import tyro

from tsrl.commands import COMMANDS
from tsrl.scripts import experiment_scripts

# Classes of flags, by the words that come before them; of `train` they follow from the scripts.
_FLAGS = {
    ("datasets", "list"): "tsrl.datasets:List",
    ("datasets", "show"): "tsrl.datasets:Show",
    ("datasets", "build"): "tsrl.datasets:Build",
    ("datasets", "synthesize"): "tsrl.datasets:Synthesize",
    ("methods", "list"): "tsrl.method_list:List",
    ("methods", "show"): "tsrl.method_list:Show",
    ("embed",): "tsrl.bulk:Embed",
    ("evaluate",): "tsrl.judge:Embeddings",
    ("monitor", "fit"): "tsrl.monitoring:Fit",
    ("monitor", "score"): "tsrl.monitoring:Score",
    ("monitor", "report"): "tsrl.monitoring:Report",
    ("monitor", "update"): "tsrl.monitoring:Update",
    ("monitor", "demo"): "tsrl.monitoring:Demo",
    ("report",): "tsrl.explorer:Asked",
    ("export",): "tsrl.export:Export",
    ("completion",): "tsrl.completion:Completion",
}
_DESCRIPTION = """Prints a script for a shell that completes commands, scripts of `tsrl train`, flags and their choices.

bash: tsrl completion bash > ~/.local/share/bash-completion/completions/tsrl
zsh:  tsrl completion zsh > ~/.zfunc/_tsrl, a folder that fpath names
fish: tsrl completion fish > ~/.config/fish/completions/tsrl.fish

It is made from the flags as they are: make it anew after an update. That takes some seconds, completing takes none."""


@dataclass(frozen=True, kw_only=True)
class Completion:
    """A script for a shell.

    Attributes:
      shell: that it is for.
    """

    shell: tyro.conf.Positional[Literal["bash", "zsh", "fish"]]


def main(args: Sequence[str]) -> None:
    """`tsrl completion bash | zsh | fish`."""
    asked = tyro.cli(Completion, args=list(args), prog="tsrl completion", description=_DESCRIPTION)
    print(script(asked.shell))


def script(shell: str) -> str:
    """The script for a shell.

    Args:
      shell: bash, zsh or fish.
    """
    return str(shtab.complete(whole_parser(), shell))


def whole_parser() -> argparse.ArgumentParser:
    """A parser of all commands and flags, to be looked at: every command parses for itself."""
    whole = argparse.ArgumentParser(prog="tsrl", description="tsrl")
    whole.add_argument("--version", action="store_true", help="print the version")
    commands = whole.add_subparsers()
    below: dict[str, Any] = {}
    for (name, *rest), place in _FLAGS.items():
        module, _, kind = place.partition(":")
        flags = _parser(getattr(import_module(module), kind))
        if not rest:
            _add(commands, name, flags)
            continue
        if name not in below:
            # `tsrl datasets` alone is `tsrl datasets list`.
            first = [flags] if rest == ["list"] else []
            below[name] = _add(commands, name, *first).add_subparsers()
        _add(below[name], rest[0], flags)
    _add_bench(commands)
    scripts = _add(commands, "train").add_subparsers()
    for name, path in experiment_scripts().items():
        # A comparison has flags of its own, which only running it tells.
        _add(scripts, name, *([_script_parser(path)] if _is_run(path) else []))
    return whole


def _add(commands: Any, name: str, *flags: argparse.ArgumentParser) -> argparse.ArgumentParser:
    summary = COMMANDS[name].summary if name in COMMANDS else name
    made: argparse.ArgumentParser = commands.add_parser(name, help=summary, parents=flags, add_help=not flags)
    return made


def _parser(kind: Any, **settings: Any) -> argparse.ArgumentParser:
    with warnings.catch_warnings():
        # Deprecated as a way to parse. It is the only one to see the flags without parsing.
        warnings.simplefilter("ignore", DeprecationWarning)
        found: Any = tyro.extras.get_parser(kind, **settings)
    # What tyro writes into it is for its own way to print it.
    for action in found._actions:
        action.help = None if action.help is None else " ".join(str(action.help).replace("%", " percent").split())
    return found


def _script_parser(path: Any) -> argparse.ArgumentParser:
    from tsrl.config import Config
    from tsrl.encoders import ENCODERS

    found = _parser(Config, default=runpy.run_path(str(path), run_name="tsrl.completion.script")["CONFIG"])
    found.add_argument("--encoder", choices=list(ENCODERS), help="name of the encoder")
    return found


def _is_run(path: Any) -> bool:
    return "\nCONFIG = " in path.read_text(encoding="utf-8")


def _add_bench(commands: Any) -> None:
    from tsrl.bench import Bench
    from tsrl.config import options
    from tsrl.encoders import ENCODERS
    from tsrl.methods import ENCODER_OF, METHODS

    found = _parser(Bench, default=Bench(method=options("ts2vec"), encoder=ENCODER_OF["ts2vec"]()))
    found.add_argument("--method", choices=list(METHODS), help="name of the method")
    found.add_argument("--encoder", choices=list(ENCODERS), help="name of the encoder")
    _add(commands, "bench", found)
