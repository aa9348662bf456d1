"""A GPU fit keeps its limit on memory, whatever its rung allocates for the rows that it solves."""

from contextlib import ExitStack
from unittest import mock

import numpy as np
import pytest
from cases.gpu import device as on_device
from scipy import sparse

from halfstep import SOLVERS
from halfstep.kernels.device.options import optional
from halfstep.solvers.gpu import cg_6_split, cg_9_gramian, cholesky
from halfstep.solvers.gpu.cg_9_gramian import GpuCgGramian
from halfstep.solvers.gpu.device import memory as gpu_memory
from halfstep.solvers.inputs import as_csr

# What each rung allocates beside what all of them have: systems in global memory, hubs in parts.
CASES = {
    "systems": ("gpu_cholesky", {"factors": 65}, ()),
    "hubs, exactly": ("gpu_cholesky", {"factors": 33}, ((cholesky, "HUB", 50), (cholesky, "PART", 12))),
    "hubs": ("gpu_cg_6_split", {"factors": 33}, ((cg_6_split, "LONGEST", 50), (cg_6_split, "_PART", 8))),
    "hubs of 16 bits": (
        "gpu_cg_7_half", {"factors": 33}, ((cg_6_split, "LONGEST", 50), (cg_6_split, "_PART", 8)),
    ),
    "hubs and tiles": (
        "gpu_cg_8_tensor", {"factors": 33}, ((cg_6_split, "LONGEST", 50), (cg_6_split, "_PART", 8)),
    ),
    "long rows, exactly": (
        "gpu_cg_9_gramian", {"factors": 33},
        ((GpuCgGramian, "_longest", lambda *_: 30), (cg_9_gramian, "PART", 12)),
    ),
    "nothing": ("gpu_cg_5_binned", {"factors": 33}, ()),
}  # fmt: skip


LIMIT = 480_000  # bytes: of blocks of entries, not of all


@pytest.fixture(autouse=True)
def small_world(monkeypatch):
    """Let the plan count what these small fits need, not what a card's libraries take."""
    monkeypatch.setattr(gpu_memory, "_FIXED", 0)
    monkeypatch.setattr(gpu_memory, "_SMALLEST_BLOCK", 64)


@pytest.fixture(scope="module")
def dense():
    """More entries than the factors take room, and some rows and columns that are hubs."""
    rng = np.random.default_rng(0)
    there = rng.random((100, 95)) < np.where(np.arange(100) % 3, 0.15, 0.9)[:, None]
    return as_csr(sparse.csr_matrix(np.where(there, rng.lognormal(1, 1, there.shape), 0)))


@pytest.mark.parametrize(
    ("case", "share"),
    [
        ("systems", 1.0), ("hubs, exactly", 1.0), ("hubs, exactly", 0.9), ("hubs", 1.0),
        ("hubs of 16 bits", 0.9), ("hubs and tiles", 1.0), ("hubs and tiles", 0.9),
        ("long rows, exactly", 1.0), ("long rows, exactly", 0.9),
        ("nothing", 1.0), ("nothing", 0.9),
    ],
)  # fmt: skip
def test_a_fit_keeps_its_limit_on_memory(case, share, dense):
    name, settings, patches = CASES[case]
    longest = max(np.diff(dense.indptr).max(), np.bincount(dense.indices).max())
    small = {"shared_limit": 12 * 1024} if name == "gpu_cholesky" else {}
    settings = {**settings, "iterations": 1, "random_state": 0}
    with on_device("forward", **small) as backend, ExitStack() as stack:
        for patch in patches:
            stack.enter_context(mock.patch.object(*patch))
        free = SOLVERS[name](**settings)
        whole = free._plan(backend, dense.shape, dense.nnz, int(longest))
        limit = int(share * whole.needed / 0.9) + 2000
        model = SOLVERS[name](**settings, memory_limit=limit)
        plan = model._plan(backend, dense.shape, dense.nnz, int(longest))
        before = backend.device.used
        backend.device.peak = before
        model.fit(dense, show_progress=False)
    assert (plan.block_entries is None) == (share == 1)
    assert plan.needed <= limit
    assert backend.device.peak - before <= limit
    assert bool(plan.parts["rows being solved"]) == (case != "nothing")


@pytest.mark.kernels
@pytest.mark.parametrize("factors", [1, 8])
@pytest.mark.parametrize("name", ["gpu_cg_5_binned", "gpu_cg_7_half", "gpu_cg_8_tensor"])
def test_a_plan_counts_what_heavy_entries_and_padding_take(name, factors):
    """Few factors, so that a number for each row is much, and so are rows padded to a tile."""
    rng = np.random.default_rng(0)
    there = rng.random((600, 600)) < 0.1
    matrix = as_csr(sparse.csr_matrix(np.where(there, 10 ** rng.uniform(0, 3, there.shape), 0)))
    longest = max(np.diff(matrix.indptr).max(), np.bincount(matrix.indices).max())
    with on_device("forward") as backend:
        model = SOLVERS[name](factors=factors, iterations=1, random_state=0, memory_limit=LIMIT)
        plan = model._plan(backend, matrix.shape, matrix.nnz, int(longest))
        before = backend.device.peak = backend.device.used
        model.fit(matrix, show_progress=False)
    assert plan.block_entries is not None
    assert backend.launched("squared_norms")
    assert backend.device.peak - before <= plan.needed


def test_a_graph_keeps_three_copies_of_the_factors():
    size = gpu_memory.DeviceSize(1000, 500, 20_000, 100, 64, np.float32)
    plain = gpu_memory.parts_of(size)
    with optional("factor-on-card", "graph"):
        assert gpu_memory.parts_of(size) == {**plain, "factors": 3 * plain["factors"]}
        assert gpu_memory.plan_memory(size, 10**9).block_entries is None
