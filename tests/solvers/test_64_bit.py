"""Beyond 2^31 stored entries: row pointers that start there, over files of which little is on the disk.

The arrays in front of the first row are holes in a sparse file. What reads the entries by a 32-bit
index reads a hole, or crashes.
"""

import numpy as np
import pytest
from cases.solvers import EXACT, awkward
from faults.soak import tally
from scipy import sparse

from halfstep.solvers.fit.weights import weigh
from halfstep.solvers.objective import objective, relative_residuals
from halfstep.solvers.problem import Weights

pytestmark = pytest.mark.counted
BASE = 2**31 + 2**20


@pytest.fixture
def far(tmp_path):
    """Return a function that puts an array behind `BASE` numbers that are not there."""
    made = []

    def move(array, name):
        path = tmp_path / name
        shape, dtype = (BASE + len(array),), array.dtype
        try:
            with path.open("wb") as file:
                file.truncate(shape[0] * dtype.itemsize)
            if path.stat().st_blocks * 512 > 1 << 20:
                pytest.skip("this file system has no sparse files")
            moved = np.memmap(path, dtype, "r+", shape=shape)
        except OSError as error:
            pytest.skip(f"no sparse file of {shape[0] * dtype.itemsize:.3g} bytes: {error}")
        moved[BASE:] = array
        made.append(path)
        return np.asarray(moved)

    yield move
    for path in made:
        path.unlink()


def moved(near, far):
    arrays = {name: far(getattr(near, name), name) for name in ("indices", "values")}
    rest = {name: getattr(near, name) for name in ("rule", "lam", "a0", "columns", "constant")}
    return Weights(indptr=near.indptr + BASE, **arrays, **rest)


def test_half_steps(rung, far):
    matrix = awkward(300, 70)
    matrix = sparse.vstack([matrix, sparse.csr_matrix(np.ones((1, 70)))]).tocsr()
    near = weigh(matrix, confidence="linear", alpha=0.5, regularization=0.1)
    rng = np.random.default_rng(0)
    X, Y = (rng.random((rows, 9), np.float32) for rows in matrix.shape)
    model = rung(factors=9, **EXACT.get(rung.name, {}))
    here = model.half_step(near.fixing(Y), X)
    there = model.half_step(moved(near, far).fixing(Y), X)
    assert np.isfinite(there).all()
    assert np.array_equal(there, here)
    tally("Numbers", f"{rung.name}: half-step beyond 2^31 entries", "same bits as from entry 0")


def test_rows_that_are_split_over_threads(far, by_blocks, monkeypatch):
    from halfstep import SOLVERS
    from halfstep.kernels.cpu import high_degree

    monkeypatch.setattr(high_degree, "SHORTEST", 50)
    near = weigh(sparse.csr_matrix(np.ones((3, 70))), confidence="linear")
    distant = moved(near, far)
    monkeypatch.setattr(high_degree, "SHARE", BASE)
    rng = np.random.default_rng(0)
    X, Y = (rng.random((rows, 9), np.float32) for rows in (3, 70))
    for settings in ({}, {"exact": True}):
        model = SOLVERS["eigenbasis"](factors=9, num_threads=2, **settings)
        assert np.array_equal(
            model.half_step(distant.fixing(Y), X), model.half_step(near.fixing(Y), X)
        )


def test_objective_and_residuals(far):
    matrix = awkward(200, 70)
    near = weigh(matrix, confidence="log", dtype=np.float64)
    items = weigh(matrix.T.tocsr(), confidence="log", dtype=np.float64)
    rng = np.random.default_rng(0)
    X, Y = (rng.random((rows, 9)) for rows in matrix.shape)
    distant = moved(near, far)
    assert objective(distant, items, X, Y) == objective(near, items, X, Y)
    assert np.array_equal(
        relative_residuals(distant.fixing(Y), X), relative_residuals(near.fixing(Y), X)
    )


def test_ranking_and_auc(far):
    from halfstep.kernels.cpu.ranking import Lists, rank

    seen, held_out = awkward(200, 300, seed=1), awkward(200, 300, seed=2)
    held_out = (held_out - held_out.multiply(seen != 0)).tocsr()
    held_out.eliminate_zeros()
    users = np.flatnonzero(np.diff(held_out.indptr)).astype(np.int64)
    rng = np.random.default_rng(0)
    X, Y = (rng.standard_normal((rows, 9)).astype(np.float32) for rows in (200, 300))
    near, distant = [], []
    for name, matrix in (("seen", seen), ("held out", held_out)):
        pointers = matrix.indptr.astype(np.int64)
        near.append(Lists(pointers, matrix.indices))
        distant.append(Lists(pointers + BASE, far(matrix.indices, name)))
    found = [
        rank(X, Y, users, 10, excluded=lists[0], lists=users, held_out=lists[1])
        for lists in (near, distant)
    ]
    for here, there in zip(*found, strict=True):
        assert np.array_equal(here, there)
    assert (found[0][2] > 0).any()
    tally("Numbers", "top k and AUC beyond 2^31 entries", "same bits as from entry 0")
