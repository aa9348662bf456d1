"""What the card can do at all: copies, products, and gathers of rows as long as factors.

A conjugate gradient rung gathers one row of the fixed side for each stored entry. How fast that can be
depends on a row's bytes and on whether the table fits the second-level cache, so both are varied.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from halfstep.kernels.cuda.backend import current

_TIMES = 7
_COPIED = 1 << 28  # float32 numbers
_ROWS = 360_000  # of the side whose rotation and Gramian are timed
FACTORS = (64, 128, 256)
ROW_BYTES = (128, 256, 512, 1024)
TABLE_MB = (20, 41, 92, 400)
_GATHERED = 8_000_000
# A group of `pieces` threads reads a row of 16-byte pieces, four rows ahead of their use.
_GATHER = r"""
extern "C" __global__ void gather(
    const uint4 *table, const int *row, int n, int pieces, unsigned *out) {
    unsigned sum = 0;
    const int lane = threadIdx.x % pieces, group = threadIdx.x / pieces;
    const int groups = blockDim.x / pieces;
    for (int k = (blockIdx.x * groups + group) * 4; k + 3 < n; k += gridDim.x * groups * 4) {
        uint4 v[4];
        #pragma unroll
        for (int a = 0; a < 4; a++) v[a] = table[(long long)row[k + a] * pieces + lane];
        #pragma unroll
        for (int a = 0; a < 4; a++) sum += v[a].x ^ v[a].y ^ v[a].z ^ v[a].w;
    }
    if (sum == 12345u) out[0] = sum;  // so that nothing is left out as unused
}"""


def ceilings(record: Callable[..., None]) -> None:
    """Measure one after the other; `record(what=..., ...)` is called with each."""
    cupy = current().cupy  # type: ignore[attr-defined]
    record(what="copy", bytes_per_second=copy_rate(cupy))
    for f in FACTORS:
        rotation, gramian = dense_seconds(cupy, f)
        rate = 2 * _ROWS * f * f / rotation
        record(
            what="rotation and Gramian", factors=f, rotation_seconds=rotation,
            flops_per_second=rate, gramian_seconds=gramian,
        )  # fmt: skip
    for size in ROW_BYTES:
        for megabytes in TABLE_MB:
            rate = gather_rate(cupy, size, megabytes * 10**6)
            record(what="gather", row_bytes=size, table_megabytes=megabytes, bytes_per_second=rate)


def copy_rate(cupy: Any) -> float:
    """Return the bytes per second of a copy on the card, those read and those written."""
    source = cupy.arange(_COPIED, dtype=cupy.float32)
    target = cupy.empty_like(source)
    return 2.0 * int(source.nbytes) / best_seconds(cupy, lambda: cupy.copyto(target, source))


def dense_seconds(cupy: Any, factors: int) -> tuple[float, float]:
    """Return the seconds of a side's rotation X M and of its Gramian X'X, in float32."""
    rows = np.random.default_rng(0).standard_normal((_ROWS, factors), np.float32)
    X, M = cupy.asarray(rows), cupy.asarray(np.eye(factors, dtype=np.float32))
    return best_seconds(cupy, lambda: X @ M), best_seconds(cupy, lambda: current().gram(X))


def gather_rate(cupy: Any, row_bytes: int, table_bytes: int) -> float:
    """Return the bytes per second of reading rows of a table at random."""
    rows = table_bytes // row_bytes
    places = np.random.default_rng(0).integers(0, rows, _GATHERED, dtype=np.int32)
    table, out = cupy.zeros(rows * row_bytes // 4, cupy.uint32), cupy.zeros(1, cupy.uint32)
    pieces = np.int32(row_bytes // 16)
    arguments = (table, cupy.asarray(places), np.int32(_GATHERED), pieces, out)
    kernel, blocks = cupy.RawKernel(_GATHER, "gather"), 16 * current().sm_count()
    return _GATHERED * row_bytes / best_seconds(cupy, lambda: kernel((blocks,), (256,), arguments))


def best_seconds(cupy: Any, work: Callable[[], Any], times: int = _TIMES) -> float:
    """Return the shortest time that the card takes for `work`, after one call that is not counted."""
    work()
    marks = [(cupy.cuda.Event(), cupy.cuda.Event()) for _ in range(times)]
    for begin, end in marks:
        begin.record()
        work()
        end.record()
    cupy.cuda.Device().synchronize()
    return float(min(cupy.cuda.get_elapsed_time(begin, end) for begin, end in marks)) / 1e3
