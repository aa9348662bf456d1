"""A process that gets its device by `emulator.worker` takes a half-step's stages like this one."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cases.cluster.gpu_shared import gathered, ratings, shared_by, whole_problem
from emulator import EmulatorBackend, build

from halfstep import SOLVERS
from halfstep.kernels.cuda.backend import using

PROGRAM = """
import pickle, sys
from emulator.worker import install
from halfstep import SOLVERS

device = install()
name, settings, Y, X, weights, rows, shared = pickle.load(sys.stdin.buffer)
model = SOLVERS[name](**settings)
rotated = model.rotate(Y, shared)
solved = model.solve(weights, X, rows, shared)
pickle.dump((rotated, solved, device.launched()), sys.stdout.buffer)
"""


@pytest.mark.skipif(build.why_not() is not None, reason=str(build.why_not()))
def test_another_process_rotates_and_solves_to_the_same_bits():
    name, settings = "gpu_cg_7_half", {"factors": 7, "regularization": 5.0, "confidence": "log"}
    model = SOLVERS[name](**settings)
    problem, X = whole_problem(model, ratings(False))
    shared = shared_by(model, problem)
    with using(EmulatorBackend(multiprocessors=3)):
        rotated = model.rotate(problem.Y, shared)
        weights, rows = gathered(model, problem, 33, 60, [rotated], (0, len(problem.Y)), shared)
        sent = pickle.dumps((name, settings, problem.Y, X[33:], weights, rows, shared))
        solved = model.solve(weights, X[33:], rows, shared)
    here = os.pathsep.join(str(Path(__file__).parents[up]) for up in (2, 3))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=sent,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": here, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    there, found, launched = pickle.loads(done.stdout)
    assert launched > 1
    np.testing.assert_array_equal(there.Z, rotated.Z)
    np.testing.assert_array_equal(found, solved)
