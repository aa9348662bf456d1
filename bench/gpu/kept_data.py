"""The matrices of a run: generated once, beside the first parts, and kept for the others."""

from __future__ import annotations

import os
import time

import numpy as np
from scipy import sparse

from halfstep.bench.gpu.process import Place
from halfstep.bench.gpu.shapes import SHAPES, generate


def data(place: Place, shape: str) -> int:
    """Generate a matrix and keep it for the other parts, unless it is there."""
    file = place.data / f"{shape}.npz"
    if file.exists():
        return 0
    began = time.perf_counter()
    matrix = generate(SHAPES[shape])
    place.data.mkdir(parents=True, exist_ok=True)
    unfinished = place.data / f"{shape}.{os.getpid()}.npz"
    np.savez(
        unfinished, data=matrix.data, indices=matrix.indices, indptr=matrix.indptr,
        shape=matrix.shape,
    )  # fmt: skip
    os.replace(unfinished, file)
    seconds = round(time.perf_counter() - began, 1)
    place.record("data", shape=shape, entries=int(matrix.nnz), seconds=seconds)
    return 0


def matrix_of(place: Place, shape: str) -> sparse.csr_matrix:
    """Return a matrix that `data` has kept."""
    with np.load(place.data / f"{shape}.npz") as kept:
        arrays = kept["data"], kept["indices"], kept["indptr"]
        matrix = sparse.csr_matrix(arrays, shape=tuple(kept["shape"]))
    matrix.has_canonical_format = matrix.has_sorted_indices = True
    return matrix
