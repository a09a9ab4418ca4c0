"""The commands of `tsrl`: what each is for, where it is, examples of it, and the exit codes of all."""

from collections.abc import Sequence
from typing import NamedTuple

EXIT_CODES = {
    0: "done; also when whoever reads the output has enough, and when SIGTERM stopped a training that is saved",
    1: "the loss was no longer finite, or a check of an accelerator failed",
    2: "wrong input or flags: nothing is written",
    3: "not all: rows that could not be embedded, or another process of several is gone",
    130: "stopped by Ctrl-C",
    143: "stopped by SIGTERM, of all but `tsrl train`",
}
_ANEW = "nothing was written, the same command starts anew"


class Command(NamedTuple):
    """A command.

    Attributes:
      summary: a line about it.
      place: the module whose `main(args)` it is.
      examples: command lines; those of a command below it name that.
      resumes: what the same command does after a stop.
      terminated: the exit code after SIGTERM.
      compiles: whether it compiles programs.
    """

    summary: str
    place: str
    examples: tuple[str, ...]
    resumes: str = _ANEW
    terminated: int = 143
    compiles: bool = False


COMMANDS = {
    "datasets": Command(
        "list, show or prepare data sets",
        "tsrl.datasets",
        (
            "tsrl datasets",
            "tsrl datasets list --task forecast --json",
            "tsrl datasets show BasicMotions",
            "tsrl datasets show machines.csv --table.id machine --table.time at --table.label state",
            "tsrl datasets build ETTh1",
            "tsrl datasets synthesize corpus --count 100000 --length 512",
        ),
        resumes="the same command starts anew; a download goes on where it was",
    ),
    "methods": Command(
        "list the methods, or show one with its settings",
        "tsrl.method_list",
        ("tsrl methods", "tsrl methods --json", "tsrl methods show ts2vec", "tsrl methods show cost --json"),
    ),
    "train": Command(
        "train and evaluate a method as its paper does, or run a comparison",
        "tsrl.scripts",
        (
            "tsrl train ts2vec",
            "tsrl train ts2vec --task forecast --dataset ETTh1 --data-dir data --seeds 3",
            "tsrl train simclr --dataset my.npz --method.pairs jitter --workdir runs/mine",
            "tsrl train ts2vec --encoder TCN --encoder.levels 6 --train.steps 600",
            "tsrl train ts2vec --quiet --json",
        ),
        resumes="the same command resumes",
        terminated=0,
        compiles=True,
    ),
    "embed": Command(
        "embed files of any size with a trained model",
        "tsrl.bulk.command",
        (
            "tsrl embed corpus embeddings --model runs/ts2vec-corpus-seed0",
            "tsrl embed machines.parquet out --model my-model --columns load heat --id machine",
            "tsrl embed x.npz out --model my-model --level steps",
            "tsrl embed corpus out --model my-model --engine ray --workers 8",
        ),
        resumes="the same command resumes",
        compiles=True,
    ),
    "evaluate": Command(
        "judge embeddings in an .npz file",
        "tsrl.judge",
        (
            "tsrl evaluate --embeddings runs/ts2vec-BasicMotions-seed0/embeddings.npz",
            "tsrl evaluate --embeddings mine.npz --task cluster --name mine --out runs/mine",
            "tsrl evaluate --embeddings mine.npz --classify.protocols logistic nearest --json",
        ),
    ),
    "monitor": Command(
        "find unusual behaviour in a log of users' actions",
        "tsrl.monitoring",
        (
            "tsrl monitor demo --out demo",
            "tsrl monitor fit demo/log.csv --out monitor --categorical device --numeric amount --until 2026-03-30",
            "tsrl monitor score demo/log.csv --monitor monitor --since 2026-03-30 --out scores.csv --json",
            "tsrl monitor report demo/log.csv --monitor monitor --since 2026-03-30 --out page.html",
            "tsrl monitor update demo/log.csv --monitor monitor --since 2026-03-30 --out monitor-2",
        ),
        compiles=True,
    ),
    "report": Command(
        "one page, or one table for machines, of the results of many runs",
        "tsrl.explorer",
        (
            "tsrl report runs --html results.html",
            "tsrl report runs/ts2vec-ECG200-seed0 experiments/results/tloss-ECG200.json --html results.html",
            "tsrl report runs --json",
        ),
    ),
    "export": Command(
        "write a trained model as files that run without tsrl",
        "tsrl.export",
        (
            "tsrl export runs/ts2vec-BasicMotions-seed0 exported --licence CC-BY-4.0",
            "tsrl export my-model exported --length 100 --functions embed --platforms cpu",
            "tsrl export my-model exported --json",
        ),
    ),
    "bench": Command(
        "measure how fast a method trains and encodes on this machine",
        "tsrl.bench",
        (
            "tsrl bench --method ts2vec --shape 200 7 --batch-size 8",
            "tsrl bench --method timedrl --shape 512 7 --repeats 20 --json",
            "tsrl bench --method simclr --encoder DilatedConv --shape 128 9",
        ),
        resumes=_ANEW,
        compiles=True,
    ),
    "completion": Command(
        "print a script that completes commands and flags in a shell",
        "tsrl.completion",
        (
            "tsrl completion bash",
            "tsrl completion zsh",
            "tsrl completion fish",
        ),
    ),
}
# Of scripts that are no single run.
_COMPARISONS = {
    "pair_construction": ("tsrl train pair_construction --rules jitter,permute --workdir runs/pairs",),
    "behaviour": ("tsrl train behaviour simulator --users 200",),
    "tpu_check": ("tsrl train tpu_check --methods ts2vec --updates 60",),
}


def examples_of(words: Sequence[str]) -> tuple[str, ...]:
    """Examples of a command, of the one below it where the words go on to name one, of all without words.

    Args:
      words: of a command line after `tsrl`; flags are passed over.
    """
    path = [word for word in words if not word.startswith("-")]
    if not path:
        return tuple(command.examples[0] for command in COMMANDS.values())
    if path[0] not in COMMANDS:
        return ()
    if path[0] == "train" and len(path) > 1:
        program = f"tsrl train {path[1]}"
        return _COMPARISONS.get(path[1]) or script_examples(program)
    examples = COMMANDS[path[0]].examples
    own = tuple(line for line in examples if len(path) > 1 and line.split()[2:3] == [path[1]])
    return own or examples


def script_examples(program: str) -> tuple[str, ...]:
    """Examples of a script of a method, whatever its name.

    Args:
      program: how it is called, such as `tsrl train ts2vec`.
    """
    return (
        program,
        f"{program} --seed 1 --workdir runs/another",
        f"{program} --dataset my.npz --train.steps 600 --quiet --json",
    )


def asks_for_help(words: Sequence[str]) -> bool:
    """Whether a command line asks for help."""
    return "--help" in words or "-h" in words


def shown_examples(examples: Sequence[str]) -> str:
    """The end of a help text."""
    return "\n".join(["examples:", *(f"  {line}" for line in examples)])


def help_text() -> str:
    """`tsrl --help`."""
    width = max(map(len, COMMANDS)) + 2
    codes = max(len(str(code)) for code in EXIT_CODES) + 2
    return "\n".join(
        [
            "usage: tsrl [-h] [--version] COMMAND ...",
            "",
            "Representations of sequences without labels, in JAX. `tsrl COMMAND --help` lists the flags of a command;",
            "`--json`, where a command has it, prints its result for machines and nothing else.",
            "",
            "commands:",
            *(f"  {name:{width}}{command.summary}" for name, command in COMMANDS.items()),
            "",
            "exit codes:",
            *(f"  {code!s:{codes}}{meaning}" for code, meaning in EXIT_CODES.items()),
            "",
            shown_examples(examples_of(())),
        ]
    )
