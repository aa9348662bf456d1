"""Time and peak memory of the stages of a fit, in a process that does nothing else.

The kernel keeps a process's peak since it was last reset; elsewhere than on Linux it cannot be reset,
and a stage's peak is that of all stages so far. Code is compiled and loaded before, by a small fit.

Run as `python -m halfstep.bench.method.stages WHAT JSON`; prints a line of JSON for each stage.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep.bench.method.memory import peak_bytes
from halfstep.types import Integers

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")
_BLOCK_ROWS = 2000


@dataclass(frozen=True)
class Stage:
    """One stage: seconds, and bytes of memory before it, at its peak, and of the entries it handled."""

    name: str
    seconds: float
    before: int
    peak: int
    entry_bytes: int


def resident_bytes() -> int:
    """Return this process's resident memory in bytes; where only the peak is known, the peak."""
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    return peak_bytes()


def staged(
    name: str, entry_bytes: int, run: Callable[..., Any], *given: Any, **named: Any
) -> tuple[Stage, Any]:
    """Return how long a call of `run` took and its peak, and what it returned."""
    if _RESET.exists():
        _RESET.write_text("5")
    before, began = resident_bytes(), time.perf_counter()
    result = run(*given, **named)
    return Stage(name, time.perf_counter() - began, before, peak_bytes(), entry_bytes), result


def drawn(entries: int, seed: int) -> sparse.csr_matrix:
    """Return a canonical float32 matrix of about `entries` entries, of the shape of `generate_music`.

    It takes a tenth of that generator's time: rows of log-normal lengths step through the items by
    uniform gaps, faster towards rarer items, which are numbered at random in the end.
    """
    from halfstep.kernels.sparse.transpose import transpose

    rng = np.random.default_rng(seed)
    scale = entries / 1e5
    users, items = round(2000 * scale**0.82), round(4000 * scale**0.42)
    shape = rng.lognormal(0, 1.2, users)
    lengths = np.clip(shape * entries / shape.sum(), 1, items // 4).astype(np.int64)
    indptr = np.zeros(users + 1, np.int64)
    np.cumsum(lengths, out=indptr[1:])
    number = rng.permutation(items).astype(np.int32)
    indices: Integers = np.empty(int(indptr[-1]), np.int32)
    for start in range(0, users, _BLOCK_ROWS):
        _draw(indptr[start : start + _BLOCK_ROWS + 1], indices, number, rng)
    nothing: Any = np.zeros(len(indices), np.uint8)
    # Transposed twice, each row is in order.
    turned = transpose(indptr, indices, nothing, items, np.uint8)
    indices = transpose(turned[0].astype(np.int64), *turned[1:], users, np.uint8)[1]
    # From 1 on, with a heavy tail that ends at 125.
    share = np.float32(1) - np.float32(0.999) * rng.random(len(indices), np.float32)
    counts = np.floor(share ** np.float32(-0.7))
    pointers = indptr.astype(np.int32) if len(indices) < 2**31 else indptr
    matrix = sparse.csr_matrix((counts, indices, pointers), shape=(users, items), copy=False)
    matrix.has_canonical_format = True
    return matrix


def _draw(indptr: Any, indices: Any, number: Any, rng: np.random.Generator) -> None:
    """Write the columns of some rows, which differ within each row."""
    first, last = int(indptr[0]), int(indptr[-1])
    lengths, starts = np.diff(indptr), indptr[:-1] - first
    row = np.repeat(np.arange(len(lengths)), lengths)
    steps = rng.random(last - first) + 1e-3
    reached = np.cumsum(steps)
    before = np.append(0.0, reached)[starts]
    share = (reached - steps - before[row]) / (
        np.append(0.0, reached)[indptr[1:] - first] - before
    )[row]
    place = np.arange(last - first) - starts[row]
    rank = (share**3 * (len(number) - lengths[row])).astype(np.int64) + place
    indices[first:last] = number[rank]


def write_drawn(path: str, data: str | None, entries: int, seed: int) -> list[Stage]:
    """Write the matrix of a data set, or a generated one, for `fit_stages`."""
    if data is None:
        matrix = drawn(entries, seed)
    else:
        from halfstep import datasets

        matrix = datasets.load(data).interactions
    np.savez(
        path,
        shape=np.array(matrix.shape),
        values=matrix.data,
        indices=matrix.indices,
        indptr=matrix.indptr,
    )
    return []


def fit_stages(path: str, arguments: dict[str, Any]) -> Iterator[Stage]:
    """Read a matrix and fit it; `before` of the first stage is what the interpreter and code take."""
    from halfstep.solvers import SOLVERS

    _warm(arguments)

    def read() -> sparse.csr_matrix:
        with np.load(path, allow_pickle=False) as archive:
            parts = archive["values"], archive["indices"], archive["indptr"]
            return sparse.csr_matrix(parts, shape=tuple(archive["shape"]), copy=False)

    stage, matrix = staged("read", 0, read)
    users, items = matrix.shape
    sides = 16 * matrix.nnz + 8 * (users + items + 2)
    factors = 4 * arguments["factors"] * (users + items)
    yield stage
    model = SOLVERS["eigenbasis"](**arguments)
    yield staged("fit", sides + factors, model.fit, matrix, show_progress=False)[0]


def preparation_stages(entries: int, seed: int, threads: int) -> Iterator[Stage]:
    """Prepare generated entries as a fit does; then bring other forms of a fifth of them in order."""
    from halfstep.kernels.sparse.canonical import canonical
    from halfstep.solvers.fit.checkpoint import _hash
    from halfstep.solvers.fit.weights import transposed_weights, weigh
    from halfstep.solvers.inputs import as_csr

    _warm({"factors": 8, "iterations": 1, "num_threads": threads})
    for _, form in forms(drawn(600_000, seed)):  # of these too the code is loaded
        canonical(form, threads)
    matrix = drawn(entries, seed)
    size = 8 * matrix.nnz
    stage, checked = staged("checks", size, as_csr, matrix, num_threads=threads)
    yield stage
    for confidence in ("implicit", "log"):
        how = {"confidence": confidence, "num_threads": threads}
        stage, users = staged(f"weights, {confidence}", size, weigh, checked, **how)
        yield stage
        regularization = 1.0, 0.0
        stage, items = staged(
            f"transpose, {confidence}", size, transposed_weights, users, *regularization, threads
        )
        yield stage
        del users, items
    arrays = checked.indptr, checked.indices, checked.data
    yield staged("checkpoint's hash", size, _hash, *arrays)[0]
    del checked, arrays
    matrix = drawn(entries // 5, seed)
    size = 8 * matrix.nnz
    for name, form in forms(matrix):
        yield staged(f"order, {name}", size, canonical, form, threads)[0]


def forms(matrix: sparse.csr_matrix) -> Iterator[tuple[str, Any]]:
    """Yield a canonical matrix's entries in other forms and orders, each with its name."""
    rng = np.random.default_rng(0)
    number: npt.NDArray[np.int32] = rng.permutation(matrix.shape[1]).astype(np.int32)
    parts = matrix.data, number[matrix.indices], matrix.indptr
    yield "CSR, rows unsorted", sparse.csr_matrix(parts, shape=matrix.shape, copy=False)
    yield "CSC", matrix.tocsc()
    coo = matrix.tocoo()
    order = rng.permutation(coo.nnz)
    places = coo.row[order], coo.col[order]
    del coo
    yield "COO, shuffled", sparse.coo_matrix((matrix.data[order], places), shape=matrix.shape)


def _warm(arguments: dict[str, Any]) -> None:
    from halfstep.solvers import SOLVERS

    settings = {**arguments, "iterations": 1}
    SOLVERS["eigenbasis"](**settings).fit(drawn(600_000, 0), show_progress=False)


WORK: dict[str, Callable[..., Any]] = {
    "write": write_drawn,
    "fit": fit_stages,
    "preparation": preparation_stages,
}

if __name__ == "__main__":
    for found in WORK[sys.argv[1]](**json.loads(sys.argv[2])):
        print(json.dumps(asdict(found)), flush=True)
