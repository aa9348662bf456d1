"""What the tests of fits over workers share: data, fits in one process, and faults in workers."""

import os
import signal
import time
from pathlib import Path

import numpy as np
from scipy import sparse

from halfstep import SOLVERS

USERS, ITEMS = 6000, 4200
USUAL = {"factors": 33, "confidence": "log", "regularization": 20.0, "iterations": 4}


def plays(users=USERS, items=ITEMS, entries=60_000, seed=0):
    """Return a matrix with popular items, empty rows and columns, and duplicates."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, users, entries)
    columns = (items * rng.random(entries) ** 2).astype(int)
    rows[rows == 5] = 6
    columns[columns == 17] = 18
    values = rng.integers(1, 50, entries).astype(np.float32)
    return sparse.csr_matrix((values, (rows, columns)), shape=(users, items))


def in_process(matrix, solver="eigenbasis", **settings):
    """Return the rung, fitted in this process."""
    model = SOLVERS[solver](random_state=0, num_threads=1, **{**USUAL, **settings})
    return model.fit(matrix, show_progress=False)


def over(client, matrix, folder, **settings):
    """Return the model of a fit over workers with the same settings."""
    from halfstep import distributed

    more = {"random_state": 0, "show_progress": False, **USUAL, **settings}
    return distributed.fit(matrix, client=client, folder=folder, **more)


def same_bits(sharded, model):
    """Assert that the factors are those of a model, to the bit."""
    whole = sharded.to_model()
    for name in ("user_factors", "item_factors"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(model, name))


def breaks(phase, mark, step, what="kill", dask_worker=None):
    """Let this worker break once, in a phase of half-step `step`; the file `mark` says that it has."""
    from halfstep.distributed.fitting import home, stepping
    from halfstep.solvers.stages import WhitenedStages

    place, name = {
        "rotating": (WhitenedStages, "rotate"),
        "waiting": (stepping.Fetching, "fill"),
        "solving": (WhitenedStages, "solve"),
        "writing": (stepping, "write_rows"),
        "answering": (home, "half_step"),
    }[phase]
    before = getattr(place, name)
    at = [-1]
    begins = stepping.Fetching.__init__

    def begin(self, home, side, now, *rest):
        at[0] = now
        begins(self, home, side, now, *rest)

    stepping.Fetching.__init__ = begin

    def broken(*args, **kwargs):
        after = phase == "answering"
        found = before(*args, **kwargs) if after else None
        if at[0] == step and not Path(mark).exists():
            Path(mark).touch()
            os.kill(os.getpid(), {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}[what])
            time.sleep(0.2)
        return found if after else before(*args, **kwargs)

    setattr(place, name, broken)


def full_disk(dask_worker=None):
    """Let this worker's disk be full from now on."""
    from halfstep.distributed.fitting import stepping

    def full(*args):
        raise OSError(28, "No space left on device")

    stepping.write_rows = full
