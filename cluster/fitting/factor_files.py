"""A shard's factors in a file: written under another name, renamed when whole, named by its digest."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from halfstep.distributed.arrays import digest_of
from halfstep.errors import InputError
from halfstep.types import Floats

_SHORT = 16  # digits of the digest that a name has
_BEFORE = {"start2": -2, "start1": -1}


def write_rows(folder: Any, side: str, shard: int, step: int, X: Floats) -> str:
    """Write the factors X (rows, f) of a half-step; return the file's name, which has their digest.

    Those of before the first half-step have its side's number below 0: -2 of users, -1 of items.
    """
    digest = digest_of(X)[:_SHORT]
    at = f"{step:06d}" if step >= 0 else f"start{-step}"
    name = f"{side}-{shard:05d}-{at}-{digest}.npy"
    with folder.writing(name) as file:
        np.save(file, X)
    return name


def read_rows(folder: Any, name: str) -> Floats:
    """Return the factors in a file that `write_rows` named.

    Raises
    ------
    InputError
        It is missing, cut short or changed.
    """
    try:
        with folder.reading(name) as file:
            X: Floats = np.load(io.BytesIO(file.read()))
    except FileNotFoundError:
        raise InputError(
            f"checkpoint {folder.url}/{name} is missing: fit with resume=False"
        ) from None
    except (ValueError, EOFError):
        raise InputError(
            f"checkpoint {folder.url}/{name} is damaged: fit with resume=False"
        ) from None
    wanted = name.rpartition("-")[2].removesuffix(".npy")
    if digest_of(X)[:_SHORT] != wanted:
        raise InputError(f"checkpoint {folder.url}/{name} is damaged: its digest is wrong")
    return X


def step_of(name: str) -> int:
    """Return the half-step in a file's name."""
    part = name.split("-")[2]
    return _BEFORE[part] if part in _BEFORE else int(part)
