"""The `tsrl` command: finds the command that is asked for, ends its help with examples, and gives exit codes."""

import sys
from importlib import import_module

import tsrl
from tsrl.commands import COMMANDS, asks_for_help, examples_of, help_text, shown_examples
from tsrl.errors import InputError, nearest
from tsrl.process import exit_codes, share_arenas
from tsrl.scripts import experiment_scripts

__all__ = ["experiment_scripts", "main"]


def main(args: list[str] | None = None) -> None:
    """The `tsrl` command; `tsrl --help` lists the commands and the exit codes, `tsrl.commands` says where each is.

    Args:
      args: the words after `tsrl`; default: those of this process.
    """
    args = sys.argv[1:] if args is None else args
    command = COMMANDS.get(args[0] if args else "")
    with exit_codes() if command is None else exit_codes(command.resumes, command.terminated):
        try:
            _run(args)
        except SystemExit as end:
            if not end.code and command is not None and asks_for_help(args):
                print(f"\n{shown_examples(examples_of(args))}")
            raise


def _run(args: list[str]) -> None:
    if not args:
        print(help_text(), file=sys.stderr)
        raise SystemExit(2)
    if args[0] == "--version":
        print(f"tsrl {tsrl.__version__}")
    elif args[0] in ("-h", "--help"):
        print(help_text())
    else:
        if args[0] not in COMMANDS:
            raise InputError(f"command: found {args[0]!r}; {nearest(args[0], COMMANDS)}")
        command = COMMANDS[args[0]]
        if command.compiles:
            share_arenas()
        import_module(command.place).main(args[1:])
        return
    raise SystemExit(0)


if __name__ == "__main__":
    main()
