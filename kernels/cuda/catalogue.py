"""Every CUDA file, its kernels, and the definitions that they are compiled with.

Solvers take their definitions from here. The proofs (that a file compiles without spills, that it runs
correctly in the emulator) go through `CATALOGUE`, so they prove what is launched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from halfstep.kernels.cuda.lanes import LARGE_WARPS, SHARED, STORED, WARPS, lanes, systems, tiles

# From one factor to the largest number, with sizes that are no multiple of a vector's.
_FACTORS = (1, 7, 33, 64, 130, 256, 512, 1024)
_REALS = ("float32", "float64")
_CONVENTIONS = ("implicit", "linear", "log", "binary", "explicit")


@dataclass(frozen=True)
class Source:
    """A file's kernels, and every variant of its definitions that the proofs compile.

    Attributes
    ----------
    least_architecture
        The compute capability, times ten, below which the file does not compile.
    """

    kernels: tuple[str, ...]
    variants: tuple[tuple[str, ...], ...]
    least_architecture: int = 0


def real(dtype: npt.DTypeLike) -> str:
    """Return the definition of REAL, the factors' type."""
    return f"REAL={'double' if np.dtype(dtype) == np.float64 else 'float'}"


def factor_per_thread(factors: int, dtype: npt.DTypeLike) -> tuple[str, ...]:
    """Return the definitions for the rungs in which a thread holds one factor."""
    return (f"F={factors}", real(dtype))


def threads_for(factors: int) -> int:
    """Return the threads of a block that holds one factor each: whole warps."""
    return -(-factors // 32) * 32


class ExactBlock(NamedTuple):
    """A block of the exact rung.

    Attributes
    ----------
    most
        The largest order of a system of which the block has a tile for every thread; 0 if it takes a
        system's tiles by turns.
    threads, tile
        Threads, and the side of a thread's tile.
    fours
        Pieces of four numbers that a thread fetches at a time.
    """

    most: int
    threads: int
    tile: int
    fours: int

    def defines(self, dtype: npt.DTypeLike) -> tuple[str, ...]:
        """Return the definitions to compile the exact rung with."""
        return (
            real(dtype), f"THREADS={self.threads}", f"TILE={self.tile}", f"FOURS={self.fours}",
            f"HELD={int(self.most > 0)}",
        )  # fmt: skip


# Small tiles leave small systems more warps. In float64 larger ones need more registers than there are.
EXACT_BLOCKS = {
    "float32": (
        ExactBlock(39, 64, 4, 2),
        ExactBlock(67, 160, 4, 2),
        ExactBlock(135, 160, 8, 2),
        ExactBlock(263, 256, 12, 3),
        ExactBlock(0, 256, 8, 5),
    ),
    "float64": (
        ExactBlock(39, 64, 4, 2),
        ExactBlock(67, 160, 4, 2),
        ExactBlock(0, 256, 4, 5),
    ),
}
LARGEST_SHARED = 227 * 1024  # bytes that a block has at most, on compute capability 9.0


def ranking_defines(dtype: npt.DTypeLike, queries: int) -> tuple[str, ...]:
    """Return the definitions for kernels that score `queries` queries per block."""
    return (real(dtype), f"QUERIES={queries}")


def topk_defines(dtype: npt.DTypeLike, queries: int, capacity: int) -> tuple[str, ...]:
    """Return the definitions for the selection, with room for `capacity` candidates per query."""
    return (*ranking_defines(dtype, queries), f"CAPACITY={capacity}")


COARSE, COARSE_QUERIES = "topk_coarse.cu", (32, 64, 128, 224, 256)


def coarse_defines(queries: int) -> tuple[str, ...]:
    """Return the definitions for the selection by a coarse score, `queries` of them per block."""
    return ranking_defines(np.float32, queries)


def weigh_defines(dtype: npt.DTypeLike, confidence: str) -> tuple[str, ...]:
    """Return the definitions for the weights of one convention."""
    return (real(dtype), f"CONVENTION={_CONVENTIONS.index(confidence)}")


def heavy_defines(dtype: npt.DTypeLike, stored: str, wide: int) -> tuple[str, ...]:
    """Return the definitions for finding heavy rows; `stored` is the type of the fixed side."""
    return (real(dtype), f"STORED={STORED[stored][0]}", f"WIDE={wide}")


def _each(
    defines: Callable[[int, str], tuple[str, ...]], factors: Iterable[int] = _FACTORS
) -> tuple[tuple[str, ...], ...]:
    return tuple(defines(f, dtype) for dtype in _REALS for f in factors)


# Numbers of factors for which the proofs compile the layouts: every group size, every type.
_SHAPES = {
    "float32": (1, 33, 100, 128, 200, 256, 512, 1024),
    "float16": (7, 64, 128, 256, 512, 1024),
    "bfloat16": (130,),
    "float64": (7, 64, 512),
}


def _lanes(
    stored: Iterable[str] = STORED, warps: Iterable[int] = (WARPS,), shared: int = SHARED
) -> tuple[tuple[str, ...], ...]:
    """Return the definitions for the rungs whose lanes hold pieces of vectors."""
    return tuple(
        lanes(f, kind, diagonal=diagonal, warps=n, shared=shared * (n // WARPS)).defines
        for kind in stored
        for f in _SHAPES[kind]
        for diagonal in (False, True)
        for n in warps
    )


def _tiles(*larges: bool) -> tuple[tuple[str, ...], ...]:
    """Return the definitions for tensor cores, in small blocks, in large ones, or in both."""
    return tuple(
        tiles(f, diagonal=diagonal, shared_limit=LARGEST_SHARED, large=large).defines
        for f in (7, 64, 100, 128, 200, 256)
        for diagonal in (False, True)
        for large in larges
    )


_EXACT = tuple(block.defines(dtype) for dtype in _REALS for block in EXACT_BLOCKS[dtype])

CATALOGUE: dict[str, Source] = {
    "cg_1_naive.cu": Source(("cg_1_naive",), _each(factor_per_thread)),
    "cg_2_whitened.cu": Source(("cg_2_whitened",), _each(factor_per_thread)),
    "cg_3_warps.cu": Source(("cg_3_warps",), _lanes(_REALS)),
    "cg_4_shared.cu": Source(("cg_4_shared",), _lanes()),
    "cg_5_binned.cu": Source(("cg_5_short", "cg_5_long"), _lanes(warps=(WARPS, LARGE_WARPS))),
    "cg_6_split.cu": Source(
        ("cg_6_residual", "cg_6_product", "cg_6_begin", "cg_6_advance"),
        _lanes(warps=(LARGE_WARPS,)),
    ),
    "cg_7_half.cu": Source(("cg_7_half",), (("STORED=__half",), ("STORED=__nv_bfloat16",))),
    "cg_8_tensor.cu": Source(
        ("cg_8_warp", "cg_8_block"), _tiles(False, True), least_architecture=80
    ),
    "cg_8_stream.cu": Source(
        ("cg_8_stream", "cg_8_residual", "cg_8_product"), _tiles(True), least_architecture=80
    ),
    "cg_9_gramian.cu": Source(
        ("cg_9_row", "cg_9_part", "cg_9_solve"),
        tuple(systems(f, shared_limit=LARGEST_SHARED).defines for f in (7, 64, 100, 128, 200, 256)),
        least_architecture=80,
    ),
    "cholesky_1_primal.cu": Source(("cholesky_primal", "cholesky_hub_part"), _EXACT),
    "cholesky_1_dual.cu": Source(("cholesky_dual",), _EXACT),
    "topk.cu": Source(
        ("top_k",),
        tuple(
            topk_defines(dtype, queries, capacity)
            for dtype in _REALS
            for queries, capacity in ((32, 256), (16, 512), (8, 1024))
        ),
    ),
    COARSE: Source(
        ("top_k_coarse", "halve_queries", "halve_items"),
        tuple(coarse_defines(queries) for queries in COARSE_QUERIES),
        least_architecture=80,
    ),
    "ranking.cu": Source(
        ("score_held_out", "count_pairs", "find_hits"),
        tuple(ranking_defines(dtype, 32) for dtype in _REALS),
    ),
    "transpose.cu": Source(
        ("rows_of", "count", "scan", "scatter", "starts"), tuple((real(dtype),) for dtype in _REALS)
    ),
    "weigh.cu": Source(
        ("weigh",),
        tuple(weigh_defines(dtype, name) for dtype in _REALS for name in _CONVENTIONS),
    ),
    "tally.cu": Source(
        ("row_weights", "tally", "weight_range"), tuple((real(dtype),) for dtype in _REALS)
    ),
    "heavy.cu": Source(
        ("squared_norms", "heavy_rows"),
        (
            *(heavy_defines("float32", kind, 128) for kind in ("float32", "float16", "bfloat16")),
            heavy_defines("float64", "float64", 64),
        ),
    ),
    "residual.cu": Source(("relative_residuals",), _each(factor_per_thread)),
    "audit.cu": Source(("stored_terms", "penalty"), _each(factor_per_thread)),
}
