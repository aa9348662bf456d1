"""The solvers. Read `base` and `problem` first, then one file per rung, in the order of `SOLVERS`.

`SOLVERS` is the only list of solvers: the baseline, the ladder from the slowest rung to the fastest, and
the references. The tests, the command, the benchmark and the README iterate over it. To add a solver,
add a file and a line here.
"""

from halfstep.solvers import registry
from halfstep.solvers.als import AlternatingLeastSquares
from halfstep.solvers.base import Solver
from halfstep.solvers.cholesky import Cholesky
from halfstep.solvers.conjugate_gradient import ConjugateGradient
from halfstep.solvers.eigenbasis import Eigenbasis
from halfstep.solvers.gpu.cg_1_naive import GpuCgNaive
from halfstep.solvers.gpu.cg_2_whitened import GpuCgWhitened
from halfstep.solvers.gpu.cg_3_warps import GpuCgWarps
from halfstep.solvers.gpu.cg_4_shared import GpuCgShared
from halfstep.solvers.gpu.cg_5_binned import GpuCgBinned
from halfstep.solvers.gpu.cg_6_split import GpuCgSplit
from halfstep.solvers.gpu.cg_7_half import GpuCgHalf
from halfstep.solvers.gpu.cg_8_tensor import GpuCgTensor
from halfstep.solvers.gpu.cg_9_gramian import GpuCgGramian
from halfstep.solvers.gpu.cholesky import GpuCholesky
from halfstep.solvers.model.opening import from_implicit, load
from halfstep.solvers.naive import Naive
from halfstep.solvers.peers.implicit_cpu import ImplicitCpu
from halfstep.solvers.peers.implicit_gpu import ImplicitGpu
from halfstep.solvers.peers.irspack_cpu import IrspackCpu
from halfstep.solvers.popularity import Popularity
from halfstep.solvers.registry import choose, make
from halfstep.solvers.subspace import Subspace

SOLVERS: dict[str, type[Solver]] = registry.SOLVERS
SOLVERS.update(
    (solver.name, solver)
    for solver in (
        Popularity,
        Naive,
        Cholesky,
        ConjugateGradient,
        Subspace,
        Eigenbasis,
        GpuCholesky,
        GpuCgNaive,
        GpuCgWhitened,
        GpuCgWarps,
        GpuCgShared,
        GpuCgBinned,
        GpuCgSplit,
        GpuCgHalf,
        GpuCgTensor,
        GpuCgGramian,
        ImplicitCpu,
        ImplicitGpu,
        IrspackCpu,
    )
)

__all__ = [
    "SOLVERS",
    "AlternatingLeastSquares",
    "Solver",
    "choose",
    "from_implicit",
    "load",
    "make",
]
