"""Matrix Market files: coordinates of a matrix, rows and columns numbered from 1."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from halfstep.datasets.archive import check_room
from halfstep.datasets.dataset import Dataset
from halfstep.datasets.matrix import matrix_fields
from halfstep.datasets.tables.options import TableOptions
from halfstep.datasets.tables.reading import Reading
from halfstep.errors import InputError


def read_matrix_market(path: Path, options: TableOptions | None = None) -> Dataset:
    """Read a `.mtx` file, plain or packed with gzip or bzip2; ids are the file's numbers, from 1.

    Entries of a pattern count 1, and those of a symmetric matrix count on both sides.
    """
    from scipy.io import mminfo, mmread
    from scipy.sparse import coo_matrix

    try:
        rows, columns, entries, _, field, _ = mminfo(path)
        if field == "complex":
            raise InputError(f"{path}: values must be real numbers, got a complex matrix")
        check_room([rows, columns, entries])
        matrix = coo_matrix(mmread(path))
    except InputError:
        raise
    except (OSError, ValueError, TypeError, OverflowError, MemoryError, EOFError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"{path}: not a Matrix Market file: {reason}") from error
    name = path.name.removesuffix(".gz").removesuffix(".bz2").removesuffix(".mtx")
    reading = Reading(
        "matrix market", [path.name], columns={"user": "row", "item": "column", "value": "value"}
    )
    try:
        found = matrix_fields(
            matrix,
            np.arange(1, rows + 1),
            np.arange(1, columns + 1),
            None,
            name,
            options or TableOptions(),
            reading,
        )
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return Dataset(**found)
