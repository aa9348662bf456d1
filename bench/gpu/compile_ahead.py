"""Compile what a run is going to launch in many processes at once, into CuPy's cache on the disk.

What that is, the rungs say themselves, as at the beginning of a fit. A process for each file keeps one
that fails from the others, and says how long each took.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from halfstep.bench.gpu.plan import gpu_rungs
from halfstep.kernels.cuda import catalogue
from halfstep.kernels.cuda.backend import Backend, current, using
from halfstep.kernels.device.compiling import Variant
from halfstep.solvers import SOLVERS
from halfstep.solvers.gpu.cg_6_split import LONGEST
from halfstep.solvers.gpu.device.side import Side

_PROCESSES = 14
_SLOWEST = "cholesky_1_"


class Compiled(NamedTuple):
    """How the compilation of a file with its definitions went; `error` is "" where it went well."""

    file: str
    defines: tuple[str, ...]
    seconds: float
    error: str


def variants(factors: Iterable[int], backend: Backend) -> list[Variant]:
    """Return every (file, definitions) that float32 fits of these factors launch, the slowest first."""
    single = "float32"
    found: set[Variant] = {
        ("transpose.cu", (catalogue.real(single),)),
        ("weigh.cu", catalogue.weigh_defines(single, "log")),
        ("weigh.cu", catalogue.weigh_defines(single, "linear")),
        ("topk.cu", catalogue.topk_defines(single, 32, 256)),
        ("ranking.cu", catalogue.ranking_defines(single, 32)),
    }
    if backend.capability >= catalogue.CATALOGUE[catalogue.COARSE].least_architecture:
        found |= {(catalogue.COARSE, catalogue.coarse_defines(n)) for n in (224, 256)}
    for f in factors:
        found.add(("residual.cu", catalogue.factor_per_thread(f, single)))
        # Rows of every length up to one that is split: a rung then names all of its kernels.
        lengths = np.arange(LONGEST + 2)
        side = Side.without_entries(lengths, np.ones(len(lengths)), len(lengths), 1.0, 0.0)
        with using(backend):
            for name in gpu_rungs():
                solver: Any = SOLVERS[name]
                if solver.unavailable() is None:
                    found |= solver(factors=f)._variants(backend, side)
    return sorted(found, key=lambda variant: (not variant[0].startswith(_SLOWEST), variant))


def compile_all(factors: Iterable[int]) -> list[Compiled]:
    """Compile all variants for this card; one that fails does not keep the others."""
    wanted = variants(factors, current())
    processes = min(_PROCESSES, os.cpu_count() or 1)
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        return list(pool.imap_unordered(_compiled, wanted, chunksize=1))


def _compiled(variant: Variant) -> Compiled:
    began, error = time.perf_counter(), ""
    try:
        current().compile([variant])
    except Exception as problem:  # CuPy's compiler errors are of no common kind
        error = f"{type(problem).__name__}: {problem}"[:500]
    return Compiled(*variant, round(time.perf_counter() - began, 2), error)
