"""Models and files of the installed `implicit` whose factors were assigned, or are of one side."""

import numpy as np
import pytest
from cases.solvers import awkward

import halfstep
from halfstep import SOLVERS, AlternatingLeastSquares, InputError, Solver

peer = pytest.importorskip("implicit.cpu.als", reason="implicit is not installed")
Peer = peer.AlternatingLeastSquares


ASSIGNED = {
    "float64": lambda X, Y: (X.astype(np.float64) / 3, Y.astype(np.float64) / 3),
    "one side float64": lambda X, Y: (X, Y.astype(np.float64) / 3),
    "wider": lambda X, Y: (np.c_[X, X], np.c_[Y, Y]),
    "items only": lambda X, Y: (None, Y),
    "users only": lambda X, Y: (X, None),
}


@pytest.mark.parametrize("what", ASSIGNED)
def test_factors_that_were_assigned_there_cross_over_as_they_are(what, tmp_path):
    matrix = awkward(negative=False)
    theirs = Peer(factors=4, iterations=1, random_state=0, num_threads=1)
    theirs.fit(matrix, show_progress=False)
    X, Y = ASSIGNED[what](theirs.user_factors, theirs.item_factors)
    theirs.user_factors, theirs.item_factors = X, Y
    theirs.save(str(tmp_path / "theirs.npz"))
    given = [side for side in (X, Y) if side is not None]
    dtype = np.result_type(*given)
    for model in (
        halfstep.from_implicit(theirs),
        AlternatingLeastSquares.load(tmp_path / "theirs.npz"),
        SOLVERS["cholesky"].load(tmp_path / "theirs.npz"),
    ):
        assert (model.factors, model.dtype) == (given[0].shape[1], dtype)
        back = model.to_implicit()
        assert (back.factors, back.dtype) == (model.factors, dtype)
        for name, side in (("user_factors", X), ("item_factors", Y)):
            for found in (getattr(model, name), getattr(back, name)):
                assert found is None if side is None else np.array_equal(found, side)
        if Y is not None:
            ids, cosines = model.similar_items(4, N=5)
            assert ids.tolist() == theirs.similar_items(4, N=5)[0].tolist()
            assert cosines == pytest.approx(theirs.similar_items(4, N=5)[1], rel=1e-4)


def test_a_file_of_its_own_that_is_not_whole_is_refused(tmp_path):
    theirs = Peer(factors=4, iterations=1, random_state=0, num_threads=1)
    theirs.fit(awkward(negative=False), show_progress=False)
    X = theirs.user_factors
    for users, says in (
        (X[:, :3], r"got shapes \(43, 3\) and \(61, 4\)"),
        (X[:, 0], r"user_factors must be a matrix.* got shape \(43,\)"),
        (np.where(np.arange(43)[:, None] == 7, np.float32(np.nan), X), "finite, row 7 is not"),
    ):
        theirs.user_factors = users
        theirs.save(str(tmp_path / "theirs.npz"))
        with pytest.raises(InputError, match=rf"theirs.npz is damaged: .*{says}"):
            Solver.load(tmp_path / "theirs.npz")
        with pytest.raises(InputError, match=says):
            halfstep.from_implicit(theirs)
