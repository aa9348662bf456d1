"""The tables of `make gpu`: their data, factors and contestants, the most important table first."""

from __future__ import annotations

from collections.abc import Callable

from scipy import sparse

from halfstep.bench.gpu import proofs
from halfstep.bench.gpu.contest import contest
from halfstep.bench.gpu.record import GpuTable
from halfstep.bench.gpu.shapes import SHAPES, generate

Plan = list[tuple[str, int, int]]
# (shape, factors, repeats); a run that is cut off keeps the first ones.
FIRST: Plan = [
    ("lastfm-360k", 128, 3),
    ("lastfm-360k", 64, 2),
    ("lastfm-360k", 256, 2),
    ("lastfm-360k", 512, 1),
]
REST: Plan = [
    ("movielens-20m", 128, 2),
    ("music-full", 128, 2),
    ("hundred-million", 128, 1),
    ("movielens-20m", 64, 2),
    ("movielens-20m", 256, 2),
    ("movielens-20m", 512, 1),
    ("music-full", 64, 1),
    ("music-full", 256, 1),
    ("music-full", 512, 1),
]
TINY: Plan = [("tiny", 8, 1)]
BEST, REFERENCE, CPU = "gpu_cg_7_half", "implicit_gpu", "eigenbasis"
EXACT, NAIVE = "gpu_cholesky", "gpu_cg_1_naive"


class Tables:
    """The tables measured so far, and a line for each that was left out.

    Parameters
    ----------
    keep
        Called with all tables after each new one.
    """

    def __init__(self, keep: Callable[[list[GpuTable]], None]) -> None:
        self.keep = keep
        self.tables: list[GpuTable] = []
        self.left_out: list[str] = []
        self._made: dict[str, sparse.csr_matrix] = {}

    def data(self, shape: str) -> sparse.csr_matrix:
        """Return the matrix of a shape; only the last one is kept."""
        if shape not in self._made:
            self._made.clear()  # so that two are never held at once
            self._made[shape] = generate(SHAPES[shape])
        return self._made[shape]

    def run(self, plan: Plan, left: Callable[[], float], least: float) -> None:
        """Run the tables of a plan, each of them if at least `least` seconds are left."""
        for shape, factors, repeats in plan:
            if left() < least:
                self.left_out.append(f"{shape}, f = {factors}: out of time")
                continue
            names = contestants(everyone=not self.tables)
            try:
                matrix = self.data(shape)
                case = contest(matrix, factors, names, repeats, left)
            except Exception as error:  # one table's failure must not take the others
                reason = f"{type(error).__name__}: {error}"[:200]
                self.left_out.append(f"{shape}, f = {factors}: {reason}")
                continue
            users, items = matrix.shape
            self.tables.append(GpuTable(shape, users, items, int(matrix.nnz), case))
            self.keep(self.tables)


def contestants(everyone: bool) -> list[str]:
    """Return the contestants: the whole ladder for the first table, else the best and the references."""
    if not everyone:
        return [BEST, REFERENCE, "gpu_cg_6_split", NAIVE]
    first = [BEST, REFERENCE, NAIVE, EXACT]
    return [*first, *(name for name in proofs.gpu_rungs() if name not in first), CPU]
