"""What the GPU's top-k kernels spend on a slice of scores, counted from the compiled code.

A warp's time goes to the loop that multiplies factors: its instructions by the pairs of query and item
that a turn of it takes, and by the factors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from halfstep.bench.gpu.static.compiler import compile_listed
from halfstep.bench.gpu.static.loops import innermost_loops
from halfstep.kernels.cuda.catalogue import COARSE, LARGEST_SHARED, coarse_defines, topk_defines
from halfstep.kernels.cuda.sources import source
from halfstep.solvers.gpu.device.top_k import coarse_shared, grouping

PAIRS, FACTORS = 1024, 16  # what slots are given for
_OF_FFMA, _OF_HMMA = 32, 16 * 8 * 16  # multiply-adds of a warp's instruction
_KERNELS = (("top_k", "topk.cu", 32), ("top_k_coarse", COARSE, 224), ("top_k_coarse", COARSE, 256))


@dataclass(frozen=True)
class Slice:
    """The loop over factors of one kernel.

    Attributes
    ----------
    queries, threads
        Of a block.
    turn
        Instructions of a turn of the loop.
    slots
        Instructions of a warp for `PAIRS` pairs and `FACTORS` factors.
    registers, spills, shared
        Of a lane, of the kernel, and bytes of a block at f = 128.
    """

    kernel: str
    queries: int
    threads: int
    turn: int
    slots: float
    registers: int
    spills: int
    shared: int


def slices(f: int = 128) -> list[Slice]:
    """Compile the kernels for compute capability 9.0 and return their loops over factors."""
    return [_slice(*kernel, f) for kernel in _KERNELS]


def _slice(kernel: str, file: str, queries: int, f: int) -> Slice:
    coarse = file == COARSE
    if coarse:
        defines, threads, dynamic = coarse_defines(queries), queries, coarse_shared(queries, f)
    else:
        defines, threads = topk_defines(np.float32, queries, 256), 256
        dynamic = grouping(np.float32, 256, LARGEST_SHARED)[1]
    facts, listing = compile_listed(source(file), file, 90, defines)
    compiled, name = facts[kernel], "HMMA" if coarse else "FFMA"
    loop = max(innermost_loops(listing, kernel), key=lambda each: each.instructions[name])
    done = loop.instructions[name] * (_OF_HMMA if coarse else _OF_FFMA)
    return Slice(
        kernel, queries, threads, loop.length, loop.length * PAIRS * FACTORS / done,
        compiled.registers, compiled.spills, compiled.shared + dynamic,
    )  # fmt: skip
