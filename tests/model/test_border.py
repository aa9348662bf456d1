"""Compiled loops refuse arrays that they would read beyond, whoever calls them."""

import numpy as np
import pytest
from cases.solvers import awkward
from model.assigned import factors

from halfstep import SOLVERS
from halfstep.kernels.cpu.ranking import no_lists, rank

BROKEN = {
    "one width": lambda X, Y, q, none: rank(X, Y[:, :3].copy(), q, 3, excluded=none),
    "and type": lambda X, Y, q, none: rank(X, Y.astype(np.float64), q, 3, excluded=none),
    "must be matrices": lambda X, Y, q, none: rank(X[:, :, None], Y, q, 3, excluded=none),
    "queries must be from 0": lambda X, Y, q, none: rank(X, Y, q + 690, 3, excluded=none),
    "lists must have shape": lambda X, Y, q, none: rank(X, Y, q, 3, excluded=none, lists=q[:9]),
    "lists must be from 0": lambda X, Y, q, none: rank(X, Y, q, 3, excluded=none, lists=q + 5),
    "chosen must be from 0": lambda X, Y, q, none: rank(
        X, Y, q, 3, excluded=none, chosen=np.array([1, 600])
    ),
    "scale must have shape": lambda X, Y, q, none: rank(
        X, Y, q, 3, excluded=none, scale=np.ones(9, np.float32)
    ),
    "excluded must have row": lambda X, Y, q, none: rank(
        X, Y, q, 3, excluded=none._replace(indptr=none.indptr + np.arange(41))
    ),
    "held_out must be from 0": lambda X, Y, q, none: rank(
        X, Y, q, 3, excluded=none, held_out=type(none)(none.indptr.clip(0) + (np.arange(41) > 3),
                                                       np.array([600])),
    ),
}  # fmt: skip


@pytest.mark.parametrize("says", BROKEN)
def test_compiled_loops_refuse_arrays_that_they_would_read_beyond(says):
    with pytest.raises(ValueError, match=says):
        BROKEN[says](*factors(), np.arange(40), no_lists(40))


def test_a_list_that_does_not_ascend_leaves_out_no_item_of_another_strip():
    """A strip has 4,096 items; from the second one on, lower items lie before its scores."""
    X, Y = factors()[0], np.ones((9000, 8), np.float32)
    X = np.abs(X)
    Y[4096] = 2  # where the second strip begins
    lists = no_lists(40)
    unsorted = type(lists)(lists.indptr + 3 * (np.arange(41) > 0), np.array([1, 5000, 0]))
    ids, _, _ = rank(X, Y, np.arange(40), 5, excluded=unsorted)
    assert (ids[:, 0] == 4096).all()


@pytest.mark.parametrize("name", ["eigenbasis", "subspace"])
def test_a_half_step_refuses_arrays_that_it_would_read_beyond(name):
    matrix = awkward()
    solver = SOLVERS[name](factors=4)
    users, _ = solver.weights(matrix.astype(np.float32))
    X, Y = (np.ones((n, 4), np.float32) for n in matrix.shape)
    for problem, start, says in (
        (users.fixing(Y[:9]), X, "must have 43 and 61 rows, got 43 and 9"),
        (users.fixing(Y), X[:9], "must have 43 and 61 rows, got 9 and 61"),
        (users.fixing(Y[:, :3]), X, "matrices of one width and type"),
        (users.fixing(Y.astype(np.float64)), X, "matrices of one width and type"),
        (users.fixing(Y.astype(np.float64)), X.astype(np.float64), "values must be float64"),
    ):
        with pytest.raises(ValueError, match=says):
            solver.half_step(problem, start)
