"""The solvers that a run on a card names."""

from __future__ import annotations

from halfstep.solvers import SOLVERS
from halfstep.solvers.gpu.cg_7_half import GpuCgHalf

BEST, SPLIT, EXACT, NAIVE = "gpu_cg_7_half", "gpu_cg_6_split", "gpu_cholesky", "gpu_cg_1_naive"
TENSOR = "gpu_cg_8_tensor"
REFERENCE, REFERENCE_HALF = "implicit_gpu", "implicit_gpu:storage=float16"
CPU, CPU_PEER = "eigenbasis", "implicit_cpu"


def gpu_rungs() -> list[str]:
    """Return the names of the GPU rungs, fastest first."""
    return [n for n, s in reversed(SOLVERS.items()) if s.kind == "rung" and s.device == "gpu"]


def rounds(name: str) -> bool:
    """Whether a contestant stores the fixed side in 16 bits."""
    solver, _, settings = name.partition(":")
    return issubclass(SOLVERS[solver], GpuCgHalf) or "16" in settings.partition("storage=")[2]
