"""The fixtures that all tests can take; and where what is tested.

solvers/     the rungs and the references: half-steps, whole fits, errors; what surrounds a fit in fit/
model/       a fitted model: recommendations, fold-in, files, the interface of `implicit`
gpu/         the GPU rungs and kernels, run by the emulator in emulator/, which gpu/ tests too
features/    attributes of users and items: fits in every rung, files, commands, the contest with others
evaluation/  metrics, splits, protocols, tuning, verdicts
datasets/    readers, generators, downloads, the description of data
bench/       the benchmark: its method, its suites, its report
cli/         the command, the lab, the installed package
lab/         the ladder's exercises: their check, their stubs, the commands for them
house/       the rules of the layout, and that the pages are what the program prints
site/        the built site: its links, its pages in a browser; `make site-check` runs it
cluster/     more than one machine: blocks, numbering, fits over Dask workers, their faults
faults/      processes killed, disks full, files spoilt; soak.py counts, reliability.py writes a page
cases/       what several files share: solvers.py (solvers, conventions, the awkward matrix), rows.py
             (rows of every length), bench.py, tuning.py, fuzz.py, limits.py, gpu*.py,
             sanitizer_program.py, process_to_kill.py, processes.py, real_data.py, plain_steps.py,
             libraries_on_host.cpp, recommender.py

oracle.py is the mathematics written out in dense float64, strategies.py what Hypothesis draws, course.py
executes the lab's notebook, solutions.py solves the ladder's exercises.
"""

import gc
import io
import os
import signal

import numpy as np
import pytest
from cases.solvers import CONVENTIONS, RUNGS, awkward, parameters, require
from threadpoolctl import threadpool_limits

from halfstep import SOLVERS

# A shell that starts a job in the background makes it deaf to Ctrl-C, and the processes it starts too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Lines of progress come after seconds: what a test reads from stderr must not depend on the machine.
os.environ["HALFSTEP_PROGRESS"] = "off"


def leave_out_of_collections():
    """Leave out of later collections what is there.

    The benchmark collects before each timed fit, which otherwise takes longer than the tests' fits.
    """
    gc.collect()
    gc.freeze()


def pytest_collection_finish():
    leave_out_of_collections()


@pytest.fixture(scope="module", autouse=True)
def without_what_other_files_left():
    leave_out_of_collections()


@pytest.fixture(scope="session", autouse=True)
def one_blas_thread():
    """On matrices this small a second thread only waits, and on a busy machine it waits long."""
    with threadpool_limits(1, "blas"):
        yield


@pytest.fixture
def by_blocks(monkeypatch):
    """Let half-steps on little data, too, be those of large data."""
    monkeypatch.setattr("halfstep.solvers.little_step.LITTLE", 0)


@pytest.fixture(params=parameters(SOLVERS))
def any_solver(request):
    return require(request.param)


@pytest.fixture(params=parameters(RUNGS))
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
    from cases.bench import SETTINGS

    from halfstep.bench.inputs import split_data

    return split_data(two_tastes, SETTINGS)


@pytest.fixture
def start(bench_data):
    from halfstep.solvers.fit.start import starting_factors

    return starting_factors(None, bench_data.train.shape, 7, np.float32, 0)


@pytest.fixture(scope="session", autouse=True)
def soak_record():
    """Write what faults the tests have caused, and what came of them, where a soak asks for it."""
    from faults import soak

    yield
    soak.write_record()


@pytest.fixture
def drawn(monkeypatch):
    """All figures that are drawn, with their SVG files, after a check that each is whole."""
    from cases.pictures import assert_whole

    from halfstep import pictures

    found = []
    draw = pictures.svg_file

    def checked(figure):
        file = draw(figure)
        assert_whole(figure, file.decode())
        found.append((figure, file.decode()))
        return file

    monkeypatch.setattr(pictures, "svg_file", checked)
    return found
