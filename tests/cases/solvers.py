"""Every solver, every convention, and data that is awkward on purpose."""

import numpy as np
import pytest
from scipy import sparse

from halfstep import SOLVERS

CONVENTIONS = {
    "implicit": {"confidence": "implicit", "alpha": 0.3},
    "linear": {"confidence": "linear", "alpha": 2.0},
    "log": {"confidence": "log", "alpha": 3.0, "epsilon": 2.0},
    "binary": {"confidence": "binary", "background": 0.2},
    "explicit": {"confidence": "explicit"},
}
RUNGS = [name for name, solver in SOLVERS.items() if solver.kind == "rung"]
GPU_RUNGS = [name for name in RUNGS if SOLVERS[name].device == "gpu"]
# Settings that make an approximate solver solve to rounding.
EXACT = {
    "conjugate_gradient": {"cg_steps": 400},
    "eigenbasis": {"exact": True},
    "subspace": {"block_size": 512},
    **{name: {"cg_steps": 400} for name in GPU_RUNGS if "cg" in name},
}
# What a reference cannot say by the default convention, or in another precision. irspack sums its
# Gramian in the order in which its threads end: the same bits twice only with one.
SUITED = {"irspack_cpu": {"confidence": "log", "num_threads": 1}}
FLOAT32_ONLY = ("implicit_gpu", "irspack_cpu")


def awkward(users=43, items=61, seed=0, negative=True):
    """Odd-sized, with empty rows and columns, a full row, values below and above 1, some negative."""
    rng = np.random.default_rng(seed)
    dense = np.where(rng.random((users, items)) < 0.15, rng.lognormal(0.5, 1.5, (users, items)), 0)
    dense[5] = rng.lognormal(1, 1, items)
    if negative:
        dense[3, :7] = -1.5
    dense[[0, 17]] = 0
    dense[:, [2, items - 1]] = 0
    return sparse.csr_matrix(dense)


def suited(solver, **settings):
    """Return a model of any solver with settings that it can express on positive values."""
    return solver(**{**SUITED.get(solver.name, {}), **settings})


def dtypes(solver):
    return [np.float32] if solver.name in FLOAT32_ONLY else [np.float32, np.float64]


def marks(name):
    """Return the marks of a test of this solver: `gpu` where it needs a card."""
    return [pytest.mark.gpu] if SOLVERS[name].device == "gpu" else []


def parameters(names):
    """Return names of solvers as a test's parameters, each with its marks."""
    return [pytest.param(name, marks=marks(name)) for name in names]


def require(name):
    """Return a solver's class, or skip with the reason why it cannot run here."""
    reason = SOLVERS[name].unavailable()
    if reason:
        pytest.skip(f"{name}: {reason}")
    return SOLVERS[name]


def heavy_tailed(users=800, items=400, each=30, seed=0):
    """Six tastes, and counts with a tail heavier than those of plays: Pareto's exponent is 0.6."""
    rng = np.random.default_rng(seed)
    chances = rng.dirichlet(np.full(6, 0.15), users) @ rng.dirichlet(np.full(items, 0.15), 6)
    columns = [
        rng.choice(items, size=min(each, np.count_nonzero(p)), replace=False, p=p / p.sum())
        for p in chances
    ]
    rows = np.repeat(np.arange(users), [len(of) for of in columns])
    counts = 1 + np.minimum(np.ceil(100 * rng.pareto(0.6, len(rows))), 3e5)
    return sparse.csr_matrix((counts, (rows, np.concatenate(columns))), shape=(users, items))
