"""Compile ahead what fits, queries and evaluations on the CPU need, so that no user waits for it.

Small fits and queries of each kind are run. What they compile stays on disk
(`halfstep.kernels.compiled`): in a container's image, or in a folder that a CI job keeps.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep.errors import InputError
from halfstep.solvers import SOLVERS
from halfstep.solvers.inputs import check_dtype


@dataclass(frozen=True)
class Warmup:
    """What `warmup` left on disk.

    Attributes
    ----------
    folder
        Where this process keeps compiled code.
    files, bytes
        How many files of compiled code the folder has, and their size.
    compiled
        How many functions were compiled for it now; 0 if all was there.
    seconds
        How long it took.

    See Also
    --------
    halfstep.warmup : What returns it.

    Examples
    --------
    >>> from halfstep.evaluation.warmup import Warmup
    >>> Warmup("/home/me/.cache/halfstep", files=2, bytes=90_000, compiled=0, seconds=0.5).compiled
    0
    """

    folder: str
    files: int
    bytes: int
    compiled: int
    seconds: float


def warmup(dtype: npt.DTypeLike = np.float32) -> Warmup:
    """Compile what `fit`, fold-in, `recommend` and `evaluate` need on the CPU, and keep it on disk.

    Parameters
    ----------
    dtype : dtype
        The factors' dtype, float32 or float64, for which to compile.

    Returns
    -------
    Warmup
        The folder, its files and bytes, how many functions were compiled now, and the seconds.

    Raises
    ------
    InputError
        No lasting folder can be written; the message names each with the reason. Nothing was compiled.

    See Also
    --------
    halfstep.AlternatingLeastSquares : Whose `fit` and `recommend` then start at once.

    Examples
    --------
    The first call on a machine may compile for minutes, so this example is not run as a test.

    >>> from halfstep import warmup
    >>> warmup().compiled  # doctest: +SKIP
    0
    """
    from halfstep.kernels.compiled.cache import code_folders, compilations

    check_dtype(dtype)
    tried = [(folder, folder.refused()) for folder in code_folders() if folder.lasting]
    writable = [folder for folder, reason in tried if reason is None]
    if not writable:
        reasons = "; ".join(f"{folder.path}: {reason}" for folder, reason in tried)
        raise InputError(
            f"compiled code cannot be kept ({reasons}): set NUMBA_CACHE_DIR to a folder that can be "
            f"written"
        )
    started, before = time.perf_counter(), compilations()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of data this odd
        _run_all(np.dtype(dtype).name)
    files = writable[0].files()
    return Warmup(
        str(writable[0].path),
        len(files),
        sum(file.stat().st_size for file in files),
        compilations() - before,
        time.perf_counter() - started,
    )


def _run_all(dtype: str) -> None:
    from halfstep.evaluation.metrics import evaluate
    from halfstep.kernels.sparse.transpose import transpose
    from halfstep.solvers.little_step import MOST_FACTORS

    matrix = _matrix(np.random.default_rng(0), dtype)
    narrow = matrix[:, :200].tocsr()
    for pointers in (np.int32, np.int64):  # of matrices, and of weights
        arrays = matrix.indptr.astype(pointers), matrix.indices, matrix.data
        transpose(*arrays, matrix.shape[1], dtype)
    # Whitened factors are stored in bfloat16 where they are many; exact fits use float32 or float64.
    rung: Any = SOLVERS["eigenbasis"]
    many = MOST_FACTORS + 1  # whose half-steps go by blocks of rows, as those of more data do
    fits = (matrix, 8, False), (narrow, 8, False), (narrow, many, False), (matrix, 8, True)
    for fitted, factors, exact in fits:
        model = rung(
            factors=factors, iterations=3, dtype=dtype, random_state=0, num_threads=1, exact=exact
        )
        model.fit(fitted, show_progress=False)
    users = np.arange(matrix.shape[0])
    model.recommend(users, matrix, N=5)
    model.recommend(users, matrix, N=5, recalculate_user=True)
    model.recommend(users, matrix, N=5, items=np.arange(9_000))
    model.recommend(users, None, N=5, filter_already_liked_items=False)
    model.recommend(0, matrix[0], N=5)
    model.similar_items(np.arange(100), N=5)
    model.similar_users(users, N=5)
    held_out = matrix[1:, ::2].tocsr()
    nothing = sparse.csr_matrix(held_out.shape, dtype=dtype)
    evaluate(model.user_factors[1:], model.item_factors[::2], nothing, held_out)


def _matrix(draws: np.random.Generator, dtype: str) -> sparse.csr_matrix:
    """Return (61, 70_000) counts: a row that threads share, and rows of light and of heavy weights."""
    columns = 70_000
    rows = sparse.random(60, columns, density=60 / columns, format="lil", random_state=0)
    body = rows.tocsr()
    body.data = np.where(np.arange(body.nnz) % 2, 1.0, 10.0 ** draws.integers(2, 6, body.nnz))
    longest = sparse.csr_matrix(10.0 ** draws.integers(0, 5, (1, columns)).astype(float))
    whole: sparse.csr_matrix = sparse.vstack([longest, body]).tocsr().astype(dtype)
    return whole
