"""Fixtures: every solver, every convention, and data that is awkward on purpose."""

import io
import os
import signal
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
EXACT = {
    "conjugate_gradient": {"cg_steps": 400},
    "eigenbasis": {"exact": True},
    "subspace": {"block_size": 512},
}
# What a reference cannot say by the default convention, or in another precision. irspack sums its
# Gramian in the order in which its threads end: the same bits twice only with one.
SUITED = {"irspack_cpu": {"confidence": "log", "num_threads": 1}}
FLOAT32_ONLY = ("implicit_gpu", "irspack_cpu")
RUNGS = [name for name, solver in SOLVERS.items() if solver.kind == "rung"]
GPU_RUNGS = [name for name in RUNGS if SOLVERS[name].device == "gpu"]
EXACT.update({name: {"cg_steps": 400} for name in GPU_RUNGS if "cg" in name})


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


def require(name):
    """Return a solver's class, or skip with the reason why it cannot run here."""
    reason = SOLVERS[name].unavailable()
    if reason:
        pytest.skip(f"{name}: {reason}")
    return SOLVERS[name]


# A shell that starts a job in the background makes it deaf to Ctrl-C, and the processes it starts too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


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


@pytest.fixture
def positive():
    return awkward(negative=False)


def data_folder(name):
    """Return a folder of real data, or skip: it is not part of the project."""
    root = (
        os.environ.get("HALFSTEP_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data"
    )
    folder = Path(root) / name
    if not folder.is_dir():
        pytest.skip(f"no real data: set HALFSTEP_DATA to the folder that holds {name}/")
    return folder


@pytest.fixture(scope="session")
def two_tastes():
    """Two tastes with noise: 120 users x 45 items, so that a fit beats popularity."""
    from halfstep.datasets.triples import from_triples

    rng = np.random.default_rng(1)
    users = np.repeat(np.arange(120), 14)
    items = np.where(rng.random(len(users)) < 0.8, users % 3 * 15, 0) + rng.integers(
        15, size=len(users)
    )
    return from_triples(users, items, rng.integers(1, 9, size=len(users)), name="tiny")


@pytest.fixture(scope="session")
def bench_file(tmp_path_factory):
    """Return a small data set's file; its name needs escaping in HTML, Markdown and on a terminal."""
    from halfstep.datasets.triples import from_triples

    rng = np.random.default_rng(3)
    users = np.repeat(np.arange(60), 12)
    items = (users % 2) * 20 + rng.integers(20, size=len(users))
    path = tmp_path_factory.mktemp("data") / "<b>tiny&.npz"
    from_triples(users, items, name="<b>tiny&").save(path)
    return path


@pytest.fixture(scope="session")
def bench_results(bench_file):
    """Two small tables with a solver that cannot run."""
    from rich.console import Console

    from halfstep.bench.run import run_bench
    from halfstep.bench.settings import BenchSettings

    class Missing(SOLVERS["cholesky"]):
        name = "missing"

        @classmethod
        def unavailable(cls):
            return 'needs <CUDA> & "luck": pip install a|b'

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SOLVERS, "missing", Missing)
        settings = BenchSettings(
            data=str(bench_file),
            solvers=("popularity", "naive", "cholesky", "missing"),
            factors=(3, 5),
            iterations=3,
            repeats=2,
            num_threads=1,
            memory=False,
        )
        return run_bench(settings, Console(file=io.StringIO()))


@pytest.fixture(scope="session")
def bench_data(two_tastes):
    from bench_case import SETTINGS

    from halfstep.bench.inputs import split_data

    return split_data(two_tastes, SETTINGS)


@pytest.fixture
def start(bench_data):
    from halfstep.solvers.fit.start import starting_factors

    return starting_factors(None, bench_data.train.shape, 7, np.float32, 0)


@pytest.fixture(scope="session", autouse=True)
def soak_record():
    """Write what faults the tests have caused, and what came of them, where a soak asks for it."""
    import soak

    yield
    soak.write_record()
