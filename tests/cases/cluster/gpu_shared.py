"""A half-step as several machines share it, in one process: `halfstep.solvers.stages` by its methods."""

from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
from scipy import sparse

from halfstep.solvers.gramian import ROWS, gramian_nodes, square_nodes, whole
from halfstep.solvers.inputs import as_csr
from halfstep.solvers.problem import Weights
from halfstep.solvers.shared import frame_of

USERS, ITEMS = 60, 1500


def ratings(heavy):
    """Return (users, items) with empty rows, short and long ones, and items that nobody has."""
    rng = np.random.default_rng(5)
    lengths = rng.integers(1, 40, USERS)
    lengths[[0, 31, 33, USERS - 1]] = 0
    lengths[[7, 40]] = 300, 900
    columns = [np.sort(rng.choice(ITEMS - 50, n, replace=False)) for n in lengths]
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    values = rng.lognormal(5 if heavy else 0, 2 if heavy else 0.5, indptr[-1])
    return as_csr(sparse.csr_matrix((values, np.concatenate(columns), indptr), (USERS, ITEMS)))


def whole_problem(model, matrix):
    """Return the users' half-step and its start."""
    users, _ = model.weights(matrix)
    rng = np.random.default_rng(1)
    X, Y = (0.1 * rng.normal(size=(n, model.factors)) for n in matrix.shape)
    return users.fixing(Y.astype(model.dtype), omega=1.4, reports=[]), X.astype(model.dtype)


def shared_by(model, problem):
    """Return the first stage, from the Gramians of two shards of the fixed side."""
    frame, squared, grams = frame_of(problem), {}, {}
    shards = list(enumerate((problem.Y[:ROWS], problem.Y[ROWS:])))
    for first, Y in shards:
        squared |= square_nodes(Y, first)
    kind = model.gramian_type(frame, float(whole(squared)))
    for first, Y in shards:
        grams |= gramian_nodes(Y, 1, kind, first)
    return model.share(frame, float(whole(squared)), whole(grams) if problem.a0 else None)


def in_parts(model, problem, X, shared, cuts, shards=(0, ROWS, ITEMS)):
    """Return the users of a half-step in parts that gather the rows that they need; and the reports."""
    solved, reports = [], []
    rotated = [model.rotate(problem.Y[a:b], shared) for a, b in pairwise(shards)]
    for start, stop in pairwise(cuts):
        weights, rows = gathered(model, problem, start, stop, rotated, shards, shared)
        solved.append(
            model.solve(weights, X[start:stop], rows, shared, omega=problem.omega, reports=reports)
        )
    return np.concatenate(solved), reports


def gathered(model, problem, start, stop, rotated, shards, shared):
    """Return the weights of some users, and the rotated rows that they need, in a room."""
    block = problem.block(start, stop)
    needed, places = np.unique(block.indices, return_inverse=True)
    weights = Weights(**{f.name: getattr(block, f.name) for f in fields(Weights)})
    weights = replace(weights, indices=places.astype(np.int32), columns=len(needed))
    room = model.room(len(needed), shared)
    for rows, first, last in zip(rotated, shards, shards[1:], strict=False):
        low, high = np.searchsorted(needed, [first, last])
        room.Z[low:high] = rows.Z[needed[low:high] - first]
    return weights, room
