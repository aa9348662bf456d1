"""Fits over workers, for tests: small data, the fit in one process, faults put into workers."""

import numpy as np
from scipy import sparse

from halfstep import SOLVERS
from halfstep.distributed import fit

SETTINGS = {"factors": 33, "confidence": "log", "regularization": 0.02}


def plays(users=4500, items=4200, entries=60_000, seed=0):
    """Return counts whose rows and columns are uneven, and some of them empty."""
    rng = np.random.default_rng(seed)
    rows = (users * rng.random(entries) ** 1.5).astype(int)
    columns = (items * rng.random(entries) ** 2).astype(int)
    rows[rows % 97 == 5] = 0
    columns[columns % 89 == 3] = 1
    counts = rng.integers(1, 50, entries).astype(np.float32)
    matrix = sparse.csr_matrix((counts, (rows, columns)), shape=(users, items))
    matrix.sum_duplicates()
    return matrix


def alone(matrix, solver="eigenbasis", iterations=3, **settings):
    """Return the fit in this process."""
    model = SOLVERS[solver](
        iterations=iterations, random_state=0, num_threads=1, **{**SETTINGS, **settings}
    )
    return model.fit(matrix, show_progress=False)


def fitted(client, source, folder, *, iterations=3, shards=2, **settings):
    """Return the factors of the fit over workers, users' and items', and its model."""
    model = fit(
        source, client=client, folder=folder, iterations=iterations, shards=shards, random_state=0,
        show_progress=False, **{**SETTINGS, **settings},
    )  # fmt: skip
    whole = model.to_model()
    solver = getattr(whole, "solver", whole)
    return solver.user_factors, solver.item_factors, model


def assert_bits(found, expected):
    """Fail unless both sides' factors have the same bits."""
    for ours, theirs in zip(found, expected, strict=False):
        assert ours.dtype == theirs.dtype
        assert np.array_equal(ours, theirs)
        assert np.isfinite(ours).all()


KILLED_BEFORE = {  # module, attribute: what a worker is about to call when it is killed
    "rotating": ("halfstep.distributed.fitting.stepping", "_at"),
    "waiting": ("halfstep.distributed.fitting.stepping", "_offer_to_hubs"),
    "solving": ("halfstep.distributed.fitting.stepping", "row_not_finite"),
    "writing": ("halfstep.distributed.fitting.stepping", "write_rows"),
    "written": ("halfstep.distributed.fitting.stepping", "Answer"),
}


def kill_in(phase, after):
    """Let this worker kill itself at the phase, once it came `after` times; run on a worker."""
    import importlib
    import os
    import signal

    module, name = KILLED_BEFORE[phase]
    target = importlib.import_module(module)
    whole, left = getattr(target, name), [after]

    def call(*args, **kwargs):
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        return whole(*args, **kwargs)

    setattr(target, name, call)
