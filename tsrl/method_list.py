"""`tsrl methods`: every method with its paper and its encoder, or one with its settings.

Nothing is listed here: names, encoders and settings are those of `tsrl.methods` and `tsrl.config`, papers and extras
stand in the docstrings, tasks in the experiment scripts.
"""

import ast
import dataclasses
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import tyro
from rich.markup import escape
from rich.table import Table

from tsrl.config import Config, options
from tsrl.errors import InputError, nearest
from tsrl.methods import ENCODER_OF, METHODS
from tsrl.scripts import experiment_scripts
from tsrl.terminal import Console, output, wide_console

_PAPER = re.compile(r"References?: (.+?) \((\d{4})\), (.+?), arXiv (\d{4}\.\d{5})")
_EXTRA = re.compile(r"extra `(\w+)`")


@dataclass(frozen=True, kw_only=True)
class List:
    """Lists every method.

    Attributes:
      json: as JSON lines.
    """

    json: bool = False


@dataclass(frozen=True, kw_only=True)
class Show:
    """Shows one method: what it is, its paper, its settings.

    Attributes:
      name: of the method.
      json: as JSON.
    """

    name: tyro.conf.Positional[str]
    json: bool = False


def main(args: Sequence[str]) -> None:
    """`tsrl methods [list | show NAME]`; `--help` after each lists its flags.

    Raises:
      InputError: an unknown command or method.
    """
    commands: dict[str, tuple[Any, Callable[[Any], list[dict[str, Any]]]]] = {
        "list": (List, list_methods),
        "show": (Show, show_method),
    }
    name, rest = (args[0], args[1:]) if args and args[0] in commands else ("list", args)
    if rest is args and args and not args[0].startswith("-"):
        hint = f"want tsrl methods show {args[0]}" if args[0] in METHODS else nearest(args[0], commands)
        raise InputError(f"command: found {args[0]!r} after methods; {hint}")
    settings, command = commands[name]
    asked: Any = tyro.cli(settings, args=list(rest), prog=f"tsrl methods {name}")
    with output(asked.json) as write:
        for one in command(asked):
            write(one)


def list_methods(asked: List) -> list[dict[str, Any]]:
    """Prints the table of all methods, and returns its rows, see `about_method`."""
    found = [about_method(name) for name in METHODS]
    if asked.json:
        return found
    console = wide_console()
    table = Table(box=None, pad_edge=False)
    for name in ("name", "arXiv", "encoder", "labels", "script's task", "extra"):
        table.add_column(name, no_wrap=True)
    table.add_column("paper", overflow="fold")
    for one in found:
        labels = "supervised" if one["supervised"] else "none"
        paper = f"{one['paper']['title']} ({one['paper']['year']})" if one["paper"]["title"] else ""
        columns = (one["name"], one["paper"]["arxiv"] or "", one["encoder"], labels, one["script"]["task"] or "")
        table.add_row(*map(escape, (*columns, ", ".join(one["extras"]), paper)))
    console.print(table)
    console.print(
        f"{len(found)} methods. Supervised ones are scored by their own forecasts, the others by any task. Any "
        "encoder that fits a method can take its place: --encoder NAME. `tsrl methods show NAME` lists the settings, "
        "`tsrl train NAME` runs the script.",
        highlight=False,
    )
    return found


def show_method(asked: Show) -> list[dict[str, Any]]:
    """Prints what a method is and its settings, and returns the same, see `about_method`; a list of one.

    Raises:
      InputError: an unknown method.
    """
    if asked.name not in METHODS:
        raise InputError(f"name: found {asked.name!r}; {nearest(asked.name, METHODS)}")
    one = about_method(asked.name) | {"settings": settings_of(asked.name), "about": _module_of(asked.name).__doc__}
    if asked.json:
        return [one]
    console = Console()
    console.print(one["about"].strip() + "\n", markup=False, highlight=False)
    table = Table(show_header=False, box=None)
    paper, script = one["paper"], one["script"]
    for term, told in {
        "paper": f"{paper['authors']} ({paper['year']}), {paper['title']}, arXiv {paper['arxiv']}"
        if paper["title"]
        else "none named",
        "encoder of the paper": one["encoder"],
        "labels": "supervised: it is scored by its own forecasts" if one["supervised"] else "none",
        "tasks": ", ".join(one["tasks"]),
        "script": f"{script['name']}, task {script['task']}: tsrl train {script['name']}" if script["name"] else "none",
        "extra": ", ".join(f"pip install 'tsrl[{extra}]'" for extra in one["extras"]) or "none",
        "seeds": "one a run: it plans its epochs" if one["plans_epochs"] else "several are trained together",
    }.items():
        table.add_row(term, escape(told))
    console.print(table)
    settings = Table("flag", "default", "", box=None, title="settings", title_justify="left")
    for each in one["settings"]:
        choices = f" ({', '.join(each['choices'])})" if each["choices"] else ""
        settings.add_row(each["flag"], escape(str(each["default"])), escape(f"{each['help']}{choices}"))
    console.print(settings)
    return [one]


def about_method(name: str) -> dict[str, Any]:
    """What a method is, as JSON values.

    Args:
      name: in `METHODS`.

    Returns:
      name, summary (a line), paper (authors, year, title, arxiv; None where the docstring names none), encoder (that of
      the paper), supervised, tasks (that may judge it), script (name and task, None where there is none), extras (of
      the package, that it needs) and plans_epochs (several seeds are not trained together then).
    """
    factory, documented = METHODS[name], _module_of(name).__doc__ or ""
    made = options(name).build(ENCODER_OF[name]())
    # A supervised model is scored by what it learned, its forecasts.
    supervised = made.predict is not None
    tasks = list(get_args(get_type_hints(Config)["task"]))
    script = experiment_scripts().get(name)
    return {
        "name": name,
        "summary": documented.partition("\n")[0],
        "paper": dict(zip(("authors", "year", "title", "arxiv"), _of_paper(documented), strict=True)),
        "encoder": type(ENCODER_OF[name]()).__name__,
        "supervised": supervised,
        "tasks": ["forecast"] if supervised else tasks,
        "script": {"name": None if script is None else name, "task": None if script is None else _task_of(script)},
        "extras": sorted(set(_EXTRA.findall(factory.__doc__ or ""))),
        "plans_epochs": made.before_epoch is not None,
    }


def _of_paper(documented: str) -> tuple[str | None, int | None, str | None, str | None]:
    found = _PAPER.search(" ".join(documented.split()))
    return (None,) * 4 if found is None else (found[1], int(found[2]), found[3], found[4])


def settings_of(name: str) -> list[dict[str, Any]]:
    """The settings of a method as flags: name, flag, type, default, choices, help; defaults are the factory's.

    Args:
      name: in `METHODS`.
    """
    made = options(name)
    hints = get_type_hints(type(made), include_extras=True)
    found = []
    for field in dataclasses.fields(made):
        kind, argument = get_args(hints[field.name])[:2]
        default = getattr(made, field.name)
        found.append(
            {
                "name": field.name,
                "flag": f"--method.{field.name.replace('_', '-')}",
                "type": getattr(kind, "__name__", str(kind)) if get_origin(kind) is None else str(kind),
                "default": list(default) if isinstance(default, tuple) else default,
                "choices": [str(choice) for choice in get_args(kind)] if _is_choice(kind) else [],
                "help": " ".join((argument.help or "").split()),
            }
        )
    return found


def _is_choice(kind: Any) -> bool:
    return str(get_origin(kind)) == "typing.Literal"


def _module_of(name: str) -> Any:
    return sys.modules[METHODS[name].__module__]


def _task_of(script: Path) -> str:
    """The task that a script's CONFIG names; it is read and not run, which would import all of the library."""
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign) and [getattr(target, "id", "") for target in node.targets] == ["CONFIG"]:
            for inner in ast.walk(node.value):
                if isinstance(inner, ast.keyword) and inner.arg == "task":
                    return str(ast.literal_eval(inner.value))
    return str(Config.task)
