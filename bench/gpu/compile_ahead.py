"""Compile what a run is going to launch in many processes at once, into CuPy's cache on the disk.

A fit compiles one variant after the other as it comes to it, each in 0.1 to 0.9 seconds and the exact
rung's in 4.5: half a minute of a card's time that sixteen cores do in a few seconds.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

from halfstep.kernels.cuda import catalogue
from halfstep.kernels.cuda.backend import current
from halfstep.kernels.cuda.lanes import (
    LARGE_WARPS,
    MOST_FACTORS_TILES,
    STORED,
    lanes,
    tiles,
    wide_tiles,
)

_PROCESSES = 14
_EXACT, _TENSOR = "cholesky_1_block.cu", catalogue.CATALOGUE["cg_8_tensor.cu"]
_PER_THREAD = ("cg_1_naive.cu", "cg_2_whitened.cu", "audit.cu", "residual.cu")
_SMALL_BLOCKS = ("cg_3_warps.cu", "cg_4_shared.cu", "cg_5_binned.cu")
_LARGE_BLOCKS = ("cg_5_binned.cu", "cg_6_split.cu")
Variant = tuple[str, tuple[str, ...]]


class Compiled(NamedTuple):
    """How the compilation of a file with its definitions went; `error` is "" where it went well."""

    file: str
    defines: tuple[str, ...]
    seconds: float
    error: str


def variants(factors: Iterable[int], shared_limit: int, capability: int = 90) -> list[Variant]:
    """Return every (file, definitions) that float32 fits of these factors launch, the slowest first.

    Parameters
    ----------
    shared_limit
        Bytes of shared memory that a block may have on the card.
    capability
        Its compute capability, times ten.
    """
    single, real = "float32", (catalogue.real("float32"),)
    found: set[Variant] = {
        (_EXACT, catalogue.cholesky_defines(single, threads, tile))
        for threads, tile in ((64, 4), (128, 4), (128, 8), (256, 8))
    }
    found |= {(file, real) for file in ("transpose.cu", "tally.cu")}
    found |= {
        ("weigh.cu", catalogue.weigh_defines(single, "log")),
        ("weigh.cu", catalogue.weigh_defines(single, "linear")),
        ("cg_7_half.cu", (f"STORED={STORED['float16'][0]}",)),
        ("topk.cu", catalogue.topk_defines(single, 32, 256)),
        ("ranking.cu", catalogue.ranking_defines(single, 32)),
    }
    most = max(shared_limit // 2 // 1024 * 1024, 48 * 1024)  # two large blocks a multiprocessor
    for f in factors:
        per_thread = catalogue.factor_per_thread(f, single)
        found |= {(file, per_thread) for file in _PER_THREAD}
        for stored in (single, "float16"):
            small = lanes(f, stored, diagonal=False).defines
            large = lanes(f, stored, diagonal=False, warps=LARGE_WARPS, shared=most).defines
            found |= {(file, small) for file in _SMALL_BLOCKS}
            found |= {(file, large) for file in _LARGE_BLOCKS}
            wide = lanes(f, stored, diagonal=False).wide
            found.add(("heavy.cu", catalogue.heavy_defines(single, stored, wide)))
        if f <= MOST_FACTORS_TILES and capability >= _TENSOR.least_architecture:
            found |= _for_tensor_cores(f, shared_limit, most)
    return sorted(found, key=lambda variant: (variant[0] != _EXACT, variant))


def _for_tensor_cores(f: int, shared_limit: int, most: int) -> set[Variant]:
    """Return what the tensor core rung launches: its own kernels, and those of other rungs, padded."""
    wide = wide_tiles(f)
    small, large = (
        tiles(f, diagonal=False, shared_limit=shared_limit, large=size).defines
        for size in (False, True)
    )
    hubs = lanes(wide, "float16", diagonal=False, warps=LARGE_WARPS, shared=most).defines
    return {
        ("cg_8_tensor.cu", small),
        ("cg_8_tensor.cu", large),
        ("cg_8_stream.cu", large),
        ("cg_5_binned.cu", lanes(wide, "float16", diagonal=False).defines),
        ("cg_6_split.cu", hubs),
        ("heavy.cu", catalogue.heavy_defines("float32", "float16", wide)),
    }


def compile_all(factors: Iterable[int]) -> list[Compiled]:
    """Compile all variants for this card; one that fails does not keep the others."""
    wanted = variants(factors, current().shared_limit, current().capability)
    processes = min(_PROCESSES, os.cpu_count() or 1)
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        return list(pool.imap_unordered(_compiled, wanted, chunksize=1))


def _compiled(variant: Variant) -> Compiled:
    file, defines = variant
    began, error = time.perf_counter(), ""
    try:
        backend: Any = current()
        with backend.device:
            for kernel in catalogue.CATALOGUE[file].kernels:
                # CuPy compiles a module when one of its functions is first looked at.
                backend._function(file, kernel, defines).attributes  # noqa: B018
    except Exception as problem:  # CuPy's compiler errors are of no common kind
        error = f"{type(problem).__name__}: {problem}"[:500]
    return Compiled(file, defines, round(time.perf_counter() - began, 2), error)
