"""`tsrl export`: a model as files that others can run and read without this library: programs, weights, a card."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from tsrl.export.folder import export_model, load_exported
from tsrl.export.programs import Function, Platform
from tsrl.terminal import output, working

__all__ = ["Export", "export_model", "load_exported", "main"]

_DESCRIPTION = """Writes a trained model of series as files that others can run and read without tsrl.

OUT gets embed.stablehlo and encode.stablehlo, programs of raw series (NaN = missing) for `jax.export.deserialize`; the
weights by path in weights.safetensors, and config.json, which `tsrl.export.load_exported` reads; README.md, the model
card; export.json with the SHA-256 of each file. The batch is free in every program, the length where the encoder allows
it. Programs are compiled and compared with the model before anything is written: that takes a while.

Exit codes: 0 done; 2 wrong input, nothing written; 130 stopped by Ctrl-C, 143 by SIGTERM, nothing written."""


@dataclass(frozen=True, kw_only=True)
class Export:
    """Writes a trained model as files.

    Attributes:
      model: a folder that `Embedder.save` or a training run wrote.
      out: the folder of the export, new or empty.
      functions: which programs are written; none: weights and card alone.
      length: steps of the series that the programs take, which makes them faster; default: any where the model allows
        that, otherwise as in training.
      platforms: that the programs are for.
      licence: of the weights, for the card.
      seed: which of the model's seeds; default: the first.
      step: the model after this many updates; default: the newest.
      quiet: do not say what is being done.
      json: prints what was written as JSON.
    """

    model: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="MODEL")]]
    out: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="OUT")]]
    functions: tuple[Function, ...] = ("embed", "encode")
    length: int | None = None
    platforms: tuple[Platform, ...] = ("cpu", "cuda", "tpu")
    licence: str = "not stated"
    seed: int | None = None
    step: int | None = None
    quiet: bool = False
    json: bool = False


def main(args: Sequence[str]) -> None:
    """`tsrl export MODEL OUT`; `--help` lists its flags.

    Raises:
      InputError: wrong input; nothing is written then.
    """
    asked = tyro.cli(Export, args=list(args), prog="tsrl export", description=_DESCRIPTION)
    with output(asked.json) as write, working("compiling programs, comparing them with the model", asked.quiet):
        about = export_model(
            asked.model,
            asked.out,
            functions=asked.functions,
            length=asked.length,
            platforms=asked.platforms,
            licence=asked.licence,
            seed=asked.seed,
            step=asked.step,
        )
        write({"out": str(asked.out), **about})
    if asked.json:
        return
    print(f"{asked.out}: {about['method']['name']}, {about['parameters']:,} parameters, {', '.join(about['files'])}")
    for name, told in about["functions"].items():
        free = f"{told['shortest']} or more" if told["length"] is None else f"{told['length']} ({told['reason']})"
        print(f"{name}: [batch, length, {about['channels']}] -> {told['output']}, length {free}")
