"""A fit that cannot end is not started, one line says what would; the estimate is what is measured."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cases.processes import path_env
from cases.solvers import awkward
from faults.soak import worst

from halfstep import SOLVERS, InputError
from halfstep.errors import NotEnoughMemory
from halfstep.solvers.fit.memory import needed


@pytest.fixture
def gigabytes(monkeypatch):
    return lambda number: monkeypatch.setenv("HALFSTEP_MEMORY_GB", f"{number:.12f}")


def need(model, matrix):
    return sum(needed(model, matrix).values())


def test_a_fit_that_does_not_fit_is_not_started(rung, gigabytes):
    matrix = awkward()
    model = rung(factors=50, iterations=1)
    gigabytes(need(model, matrix) * 0.9 / 1e9)
    with pytest.raises(NotEnoughMemory, match=r"needs about .* of .*memory \(") as refused:
        model.fit(matrix, show_progress=False)
    assert isinstance(refused.value, InputError | MemoryError)
    assert "\n" not in str(refused.value)
    assert model.user_factors is None
    gigabytes(need(model, matrix) * 1.1 / 1e9)
    assert model.fit(matrix, show_progress=False) is model


def test_what_is_said_to_fit_does(gigabytes):
    matrix = awkward()
    wide = SOLVERS["eigenbasis"](factors=900, iterations=1)
    gigabytes(0.5 * need(wide, matrix) / 1e9)
    with pytest.raises(NotEnoughMemory, match=r"factors=\d+ would fit") as refused:
        wide.fit(matrix, show_progress=False)
    largest = int(str(refused.value).rpartition("factors=")[2].split()[0])
    SOLVERS["eigenbasis"](factors=largest, iterations=1).fit(matrix, show_progress=False)
    with pytest.raises(NotEnoughMemory):
        SOLVERS["eigenbasis"](factors=largest + 1, iterations=1).fit(matrix, show_progress=False)
    double = SOLVERS["cholesky"](factors=30, dtype=np.float64, iterations=1)
    gigabytes(0.7 * need(double, matrix) / 1e9)
    with pytest.raises(NotEnoughMemory, match="dtype float32 would fit"):
        double.fit(matrix, show_progress=False)
    gigabytes(1e-7)
    with pytest.raises(NotEnoughMemory, match=r"at most \d+% of these entries would fit"):
        double.fit(matrix, show_progress=False)


def test_where_nobody_knows_there_is_no_refusal(monkeypatch):
    monkeypatch.setattr("halfstep.solvers.fit.memory.available", lambda: None)
    SOLVERS["cholesky"](factors=3, iterations=1).fit(awkward(), show_progress=False)


MEASURE = """
import sys
import numpy as np
from scipy import sparse
from halfstep import SOLVERS
from halfstep.solvers.fit.memory import needed

def matrix(users, items, each):
    rng = np.random.default_rng(0)
    wide = items // each
    columns = rng.integers(0, wide, (users, each), np.int32) + np.arange(each, dtype=np.int32) * wide
    pointers = np.arange(0, users * each + 1, each, dtype=np.int32)
    values = np.ones(users * each, np.float32)
    return sparse.csr_matrix((values, columns.ravel(), pointers), shape=(users, items))

def read(file, name):
    return next(int(line.split()[1]) * 1024 for line in open(file) if line.startswith(name))

solver, factors, dtype = sys.argv[1], int(sys.argv[2]), sys.argv[3]
users, items, each = map(int, sys.argv[4:])
make = lambda: SOLVERS[solver](factors=factors, iterations=2, confidence="linear", dtype=dtype)
# Compiled code is loaded before: it is the library's, and stays for the next fit.
from halfstep.solvers.fit import weights
weights._FEW_ENTRIES = 0
for warm in (make(), SOLVERS["eigenbasis"](factors=8, iterations=1, dtype=dtype)):
    warm.fit(matrix(200, 100, 10), show_progress=False)
data, model = matrix(users, items, each), make()
estimated = sum(needed(model, data).values())
open("/proc/self/clear_refs", "w").write("5")
before = read("/proc/self/status", "VmRSS")
model.fit(data, show_progress=False)
print((read("/proc/self/status", "VmHWM") - before) / estimated, estimated)
"""
CASES = [
    ("eigenbasis", 32, "float32", 20_000, 10_000, 50),
    *(
        pytest.param(*case, marks=pytest.mark.soak)
        for case in (
            ("eigenbasis", 64, "float32", 50_000, 20_000, 100),
            ("eigenbasis", 256, "float32", 50_000, 20_000, 100),
            ("eigenbasis", 64, "float64", 50_000, 20_000, 100),
            ("eigenbasis", 128, "float32", 200_000, 100_000, 5),
            ("eigenbasis", 64, "float32", 20_000, 300_000, 100),
            ("conjugate_gradient", 64, "float32", 10_000, 10_000, 50),
            ("cholesky", 16, "float32", 10_000, 10_000, 100),
        )
    ),
]


@pytest.mark.counted
@pytest.mark.parametrize(("solver", "factors", "dtype", "users", "items", "each"), CASES)
def test_the_estimate_is_the_measured_peak(solver, factors, dtype, users, items, each):
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("the peak of a part of a process can be measured on Linux only")
    case = [solver, factors, dtype, users, items, each]
    command = [sys.executable, "-c", MEASURE, *map(str, case)]
    for _ in range(2):  # the second time no code is compiled, which would leave memory behind
        ran = subprocess.run(command, capture_output=True, text=True, env=path_env(), check=False)
        assert ran.returncode == 0, ran.stderr[-2000:]
    ratio, estimated = map(float, ran.stdout.split())
    # Above: an out-of-memory kill that nobody was told of. Below: a refusal without need. The 16 MB
    # are for code that is compiled, not loaded, where its cache is empty.
    assert 0.5 < ratio < 1.1 + 16e6 / estimated, f"{ratio} of {estimated / 1e6} MB"
    what = f"{solver}, f = {factors}, {dtype}, {users * each / 1e6:g} M entries: peak / estimate"
    worst("Memory", what, round(ratio, 2), 1.1)
