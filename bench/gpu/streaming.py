"""The same fit resident on the card and streamed: the speeds of both, and whether their bits agree."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from scipy import sparse

from halfstep.bench.gpu.shapes import SHAPES, generate, generate_many
from halfstep.bench.method.contestants import rotated
from halfstep.errors import NotEnoughMemory
from halfstep.kernels.cuda.backend import current
from halfstep.memory import available, gigabytes
from halfstep.solvers import SOLVERS
from halfstep.solvers.fit.start import starting_factors
from halfstep.solvers.gpu.cg_6_split import hub_bytes
from halfstep.solvers.gpu.device import memory as gpu_memory
from halfstep.solvers.gpu.device.memory import DeviceSize, parts_of, plan_memory

LIMIT = 2e9
_ITERATIONS = 3
_SOLVER = "gpu_cg_7_half"
# Bytes of host memory an entry: the matrix, its values in the dtype of the fit, the counting of columns,
# the transpose, and the page-locked copies.
_ON_HOST = 48


def limited(shape: str, factors: int, emulate: bool, seconds: float) -> dict[str, Any]:
    """Compare a fit in all of the card's memory with one in 2 GB, or in slightly less than it needs."""
    if emulate:
        with _small_world():
            return compare(generate(SHAPES[shape]), shape, factors, LIMIT, 1, seconds)
    matrix = generate_many(SHAPES[shape], seconds=seconds / 2)
    return compare(matrix, shape, factors, LIMIT, 2, seconds / 2)


def billion(shape: str, factors: int, seconds: float) -> dict[str, Any]:
    """Compare both for a billion entries, or return the reason why the memory is too small."""
    wanted = SHAPES[shape]
    host = available()
    if host is not None and host < _ON_HOST * wanted.entries:
        needed = gigabytes(_ON_HOST * wanted.entries)
        return {"cannot_run": f"the host has {gigabytes(host)} free, {needed} are needed"}
    began = time.perf_counter()
    matrix = generate_many(wanted, seconds=min(60.0, seconds / 2))
    generating = time.perf_counter() - began
    found = compare(matrix, shape, factors, wanted.entries * 12.0, 1, seconds - generating)
    return {"generating_seconds": generating, **found}


def compare(
    matrix: sparse.csr_matrix,
    shape: str,
    factors: int,
    limit: float,
    repeats: int,
    seconds: float,
) -> dict[str, Any]:
    """Return the seconds per iteration, resident and streamed within `limit` bytes, and their ratio.

    Parameters
    ----------
    limit
        Bytes of the card for the streamed fit; lowered where the resident fit would need no more.
    seconds
        About how long all fits may take; later repeats are left out where they would take longer.
    """
    began = time.perf_counter()
    start = starting_factors(None, matrix.shape, factors, np.float32, 0)
    size = _size(matrix, factors)
    # The plan keeps some memory free, so that with a limit of exactly its parts a fit must stream.
    limit = min(limit, sum(parts_of(size).values()))
    modes: dict[str, dict[str, Any]] = {}
    for name, memory in (("resident", None), ("streamed", limit)):
        modes[name] = {
            "memory_limit": memory,
            "cannot_run": None,
            "seconds": [],
            "setup_seconds": [],
        }
        modes[name] |= _planned(size, memory, name == "resident")
    last: dict[str, Any] = {}
    solver: Any = SOLVERS[_SOLVER]
    for repeat in range(repeats):
        for name in rotated(list(modes), repeat):
            mode = modes[name]
            if mode["cannot_run"] or (repeat and time.perf_counter() - began > 0.6 * seconds):
                continue
            begin = time.perf_counter()
            model = solver(
                factors=factors, iterations=_ITERATIONS, confidence="log", regularization=20.0,
                init_factors=start, memory_limit=mode["memory_limit"],
            ).fit(matrix, show_progress=False)  # fmt: skip
            mode["seconds"].append(list(model.seconds_))
            mode["setup_seconds"].append(time.perf_counter() - begin - sum(model.seconds_))
            last[name] = (model.user_factors, model.item_factors)
    both = len(last) == len(modes)
    # The first iteration of a fit may still allocate.
    each = {name: float(np.median([fit[1:] for fit in modes[name]["seconds"]])) for name in last}
    return {
        "shape": shape,
        "factors": factors,
        "users": matrix.shape[0],
        "items": matrix.shape[1],
        "entries": int(matrix.nnz),
        "ways": modes,
        "seconds_per_iteration": each,
        "share_of_resident_speed": each["resident"] / each["streamed"] if both else None,
        "equal_bits": _equal(*last.values()) if both else None,
    }


def _equal(here: tuple[Any, Any], there: tuple[Any, Any]) -> bool:
    return all(a.tobytes() == b.tobytes() for a, b in zip(here, there, strict=True))


def _planned(size: DeviceSize, limit: float | None, resident: bool) -> dict[str, Any]:
    """Return the memory plan of a fit, or the reason why it cannot run resident, or streamed."""
    try:
        plan = plan_memory(size, int(limit or current().free_bytes()))
    except NotEnoughMemory as error:
        return {"cannot_run": str(error)}
    wanted = "resident" if resident else "streamed"
    reason = None if (plan.block_entries is None) == resident else f"it is not {wanted}: {plan}"
    return {"plan": str(plan), "block_entries": plan.block_entries, "cannot_run": reason}


@contextmanager
def _small_world() -> Iterator[None]:
    """Plan a tiny fit without the memory of a card's libraries, and with tiny blocks."""
    before = gpu_memory._FIXED, gpu_memory._SMALLEST_BLOCK
    gpu_memory._FIXED, gpu_memory._SMALLEST_BLOCK = 0, 64
    try:
        yield
    finally:
        gpu_memory._FIXED, gpu_memory._SMALLEST_BLOCK = before


def _size(matrix: sparse.csr_matrix, factors: int) -> DeviceSize:
    users, items = matrix.shape
    columns = np.bincount(matrix.indices, minlength=items)
    longest = int(max(columns.max(), np.diff(matrix.indptr).max()))
    entries, dtype = int(matrix.nnz), np.dtype(np.float32)
    return DeviceSize(users, items, entries, longest, factors, dtype, hub_bytes)
