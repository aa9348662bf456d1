"""Formats whose users and items are numbered from 0 already, with a held-out part of the same shape."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from halfstep.datasets.builder import from_triples
from halfstep.errors import InputError


def shape_of(columns: list[NDArray[Any]], file: object) -> int:
    """Return one more than the largest number in `columns`.

    Raises
    ------
    InputError
        If so few of the numbers occur that they must be ids: a matrix of that many rows would be
        nothing but empty ones, and could exceed all memory.
    """
    present = [column for column in columns if len(column)]
    length = max(int(column.max()) for column in present) + 1
    distinct = sum(len(np.unique(column)) for column in present)
    if length > 100 * distinct + 1000:
        raise InputError(
            f"{file}: users and items must be numbered from 0, got number {length - 1} "
            f"among {distinct} different ones"
        )
    return length


def numbered_matrix(
    users: NDArray[Any], items: NDArray[Any], values: NDArray[Any] | None, shape: tuple[int, int]
) -> csr_matrix:
    """Build a canonical matrix of a given shape, which may have no entries."""
    if len(users) == 0:
        return csr_matrix(shape, dtype=np.float32)
    rows, columns = np.arange(shape[0]), np.arange(shape[1])
    return from_triples(users, items, values, user_ids=rows, item_ids=columns).interactions
