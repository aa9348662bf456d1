"""Fixtures: every solver, every convention, and data that is awkward on purpose."""

import os
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from threadpoolctl import threadpool_limits

from halfstep import SOLVERS

CONVENTIONS = {
    "implicit": {"confidence": "implicit", "alpha": 0.3},
    "linear": {"confidence": "linear", "alpha": 2.0},
    "log": {"confidence": "log", "alpha": 3.0, "epsilon": 2.0},
    "binary": {"confidence": "binary", "background": 0.2},
    "explicit": {"confidence": "explicit"},
}
# Settings that make an approximate solver solve to rounding.
EXACT = {"conjugate_gradient": {"cg_steps": 400}, "eigenbasis": {"exact": True}}
RUNGS = [name for name, solver in SOLVERS.items() if solver.kind == "rung"]


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


def require(name):
    """Return a solver's class, or skip with the reason why it cannot run here."""
    reason = SOLVERS[name].unavailable()
    if reason:
        pytest.skip(f"{name}: {reason}")
    return SOLVERS[name]


@pytest.fixture(scope="session", autouse=True)
def one_blas_thread():
    """On matrices this small a second thread only waits, and on a busy machine it waits long."""
    with threadpool_limits(1, "blas"):
        yield


@pytest.fixture(params=list(SOLVERS))
def any_solver(request):
    return require(request.param)


@pytest.fixture(params=RUNGS)
def rung(request):
    return require(request.param)


@pytest.fixture(params=list(CONVENTIONS))
def convention(request):
    return CONVENTIONS[request.param]


@pytest.fixture
def matrix():
    return awkward()


def data_folder(name):
    """Return a folder of real data, or skip: it is not part of the project."""
    root = (
        os.environ.get("HALFSTEP_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data"
    )
    folder = Path(root) / name
    if not folder.is_dir():
        pytest.skip(f"no real data: set HALFSTEP_DATA to the folder that holds {name}/")
    return folder
