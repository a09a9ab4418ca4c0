"""Flags that name a method or an encoder, which decides what other flags there are; they are read before those."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import flax.linen as nn

from tsrl.encoders import ENCODERS
from tsrl.errors import InputError, nearest

T = TypeVar("T")


def named(args: Sequence[str], flag: str, known: Mapping[str, T]) -> tuple[str | None, list[str]]:
    """The name that `--FLAG NAME` gives, None without it, and the other words of a command line.

    Args:
      args: the words.
      flag: without the dashes.
      known: by name.

    Raises:
      InputError: an unknown name.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument(f"--{flag}")
    found, rest = parser.parse_known_args(list(args))
    name = getattr(found, flag)
    if name is not None and name not in known:
        raise InputError(f"{flag}: found {name!r}; {nearest(name, known)}")
    return name, rest


def named_encoder(args: Sequence[str]) -> tuple[nn.Module | None, list[str]]:
    """The encoder that `--encoder NAME` asks for, in the size of its paper, and the flags without it.

    Raises:
      InputError: an unknown name.
    """
    encoders: Mapping[str, Callable[..., nn.Module]] = ENCODERS
    name, rest = named(args, "encoder", encoders)
    return None if name is None else ENCODERS[name](), rest
