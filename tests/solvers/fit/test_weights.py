"""Weighing and transposing in pieces and on threads, against SciPy and whole arrays."""

import numpy as np
import pytest
from cases.solvers import CONVENTIONS, awkward
from scipy import sparse

from halfstep import SOLVERS
from halfstep.solvers.fit import weights


def sides(matrix, threads, dtype=np.float32, **convention):
    model = SOLVERS["cholesky"](factors=3, num_threads=threads, dtype=dtype, **convention)
    return model.weights(matrix)


@pytest.fixture(params=["numpy", "compiled"])
def path(request, monkeypatch):
    monkeypatch.setattr(weights, "_FEW_ENTRIES", 0 if request.param == "compiled" else 10**9)
    monkeypatch.setattr(weights, "_PIECE", 37)


@pytest.mark.parametrize("exponent", [0.0, 0.7])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_items_are_the_transposed_users(path, convention, dtype, exponent):
    matrix = awkward()
    whole = weights.weigh(
        matrix.T.tocsr(), dtype=dtype, regularization=0.01, regularization_exponent=exponent,
        **convention,
    )  # fmt: skip
    found = [
        sides(matrix, threads, dtype, regularization_exponent=exponent, **convention)
        for threads in (1, 2, 5)
    ]
    for users, items in found:
        for name in ("indptr", "indices", "w", "t", "lam"):
            got, wanted = getattr(items, name), getattr(whole, name)
            np.testing.assert_array_equal(got, wanted)
            assert got.dtype == wanted.dtype
            np.testing.assert_array_equal(getattr(users, name), getattr(found[0][0], name))
        assert (items.columns, items.a0) == (43, whole.a0)
        assert (users.constant, items.constant) == (found[0][0].constant, found[0][1].constant)
        assert users.constant == pytest.approx(whole.constant, rel=1e-7)
        assert items.constant == pytest.approx(users.constant, rel=1e-12)


def test_no_rows_no_entries_and_one_row(path):
    for matrix in (
        sparse.csr_matrix((5, 3)),
        sparse.csr_matrix((0, 3)),
        sparse.csr_matrix(np.ones((1, 4), np.float32)),
    ):
        users, items = sides(matrix, 3)
        assert (items.rows, items.columns) == matrix.shape[::-1]
        assert items.indptr[-1] == users.indptr[-1] == matrix.nnz


def test_int64_indices(path):
    matrix = awkward()
    expected = sides(matrix, 2)
    matrix.indices, matrix.indptr = matrix.indices.astype(np.int64), matrix.indptr.astype(np.int64)
    for got, wanted in zip(sides(matrix, 2), expected, strict=True):
        np.testing.assert_array_equal(got.indices, wanted.indices)
        np.testing.assert_array_equal(got.w, wanted.w)


@pytest.mark.parametrize("name", list(CONVENTIONS))
def test_the_input_is_left_alone(path, name):
    matrix = awkward()
    before = matrix.copy()
    sides(matrix, 2, **CONVENTIONS[name])
    assert (matrix != before).nnz == 0


@pytest.mark.parametrize("name", ["implicit", "linear", "explicit"])
def test_the_users_side_shares_the_callers_arrays(name):
    matrix = awkward().astype(np.float32)
    users, items = sides(matrix, 1, confidence=name)
    assert np.shares_memory(users.values, matrix.data)
    assert np.shares_memory(users.indices, matrix.indices)
    assert not np.shares_memory(items.values, matrix.data)


@pytest.mark.parametrize("name", list(CONVENTIONS))
@pytest.mark.parametrize("how", ["read-only", "strided", "big-endian", "float64", "int64 indices"])
def test_arrays_that_cannot_be_shared_give_the_same_weights(name, how):
    matrix = awkward().astype(np.float32)
    expected = sides(matrix, 2, **CONVENTIONS[name])
    if how == "read-only":
        matrix.data.flags.writeable = matrix.indices.flags.writeable = False
    elif how == "strided":
        matrix.data = np.repeat(matrix.data, 2)[::2]
    elif how == "big-endian":
        matrix.data = matrix.data.astype(">f4")
    elif how == "float64":
        matrix.data = matrix.data.astype(np.float64)
    else:
        matrix.indices = matrix.indices.astype(np.int64)
    for got, wanted in zip(sides(matrix, 2, **CONVENTIONS[name]), expected, strict=True):
        for array in ("indptr", "indices", "values", "w", "t", "lam"):
            found = getattr(got, array)
            np.testing.assert_array_equal(found, getattr(wanted, array))
            assert found.dtype == getattr(wanted, array).dtype
            assert found.flags.carray


def test_a_whole_background_is_the_same_as_a_real_one():
    matrix = sparse.csr_matrix(([1.0], ([0], [59_999])), shape=(2, 60_000))
    both = [
        sides(matrix, 1, confidence="binary", background=a0, regularization_exponent=nu)
        for a0, nu in ((1, 2), (1.0, 2.0))
    ]
    for whole, real in zip(*both, strict=True):
        np.testing.assert_array_equal(whole.lam, real.lam)


def test_a_positive_value_keeps_its_target_however_small_its_logarithm():
    matrix = sparse.csr_matrix(np.array([[1e-30, 0, 2]], np.float32))
    users, _ = sides(matrix, 1, confidence="log", epsilon=1e20)
    assert (users.t >= 1).all()
    assert (users.w >= 0).all()
