"""The matrix that a fit is given: every sparse form, index and value type, duplicates and zeros."""

import numpy as np
import pytest
from cases.solvers import awkward
from scipy import sparse

from halfstep import SOLVERS
from halfstep.solvers.inputs import as_csr


@pytest.mark.parametrize(
    "form", ["csr_array", "csc_matrix", "coo_array", "csc_array", "lil_matrix"]
)
def test_any_sparse_form_gives_the_same_factors_and_is_left_alone(rung, form, matrix):
    expected = rung(factors=3, iterations=2, random_state=0).fit(matrix, show_progress=False)
    given = getattr(sparse, form)(matrix)
    before = given.copy()
    m = rung(factors=3, iterations=2, random_state=0).fit(given, show_progress=False)
    assert np.array_equal(m.item_factors, expected.item_factors)
    assert (given != before).nnz == 0


def test_int64_indices_unsorted_and_duplicates(rung, matrix):
    expected = rung(factors=3, iterations=2, random_state=0).fit(matrix, show_progress=False)
    coo = matrix.tocoo()
    order = np.random.default_rng(0).permutation(coo.nnz)
    row, column, half = coo.row[order], coo.col[order], coo.data[order] / 2
    doubled = sparse.coo_matrix(
        (np.tile(half, 2), (np.tile(row, 2), np.tile(column, 2))), shape=matrix.shape
    )
    doubled.row, doubled.col = doubled.row.astype(np.int64), doubled.col.astype(np.int64)
    m = rung(factors=3, iterations=2, random_state=0).fit(doubled, show_progress=False)
    np.testing.assert_allclose(m.item_factors, expected.item_factors, rtol=1e-5)
    unsorted = sparse.csr_matrix(matrix)
    unsorted.indices = unsorted.indices.astype(np.int64)
    unsorted.indptr = unsorted.indptr.astype(np.int64)
    for u in range(matrix.shape[0]):
        row = slice(unsorted.indptr[u], unsorted.indptr[u + 1])
        unsorted.indices[row] = unsorted.indices[row][::-1].copy()
        unsorted.data[row] = unsorted.data[row][::-1].copy()
    unsorted.has_sorted_indices = unsorted.has_canonical_format = False
    untouched = unsorted.indices.copy()
    m = rung(factors=3, iterations=2, random_state=0).fit(unsorted, show_progress=False)
    assert np.array_equal(m.item_factors, expected.item_factors)
    assert np.array_equal(unsorted.indices, untouched)


@pytest.mark.parametrize("form", ["csr_matrix", "coo_matrix", "csc_array"])
@pytest.mark.parametrize("dtype", [np.int8, np.uint8, bool])
def test_duplicates_of_small_integers_do_not_wrap_around(form, dtype):
    rows, columns = np.array([0, 0, 1, 0]), np.array([1, 1, 0, 2])
    values = np.array([100, 100, 3, 1]).astype(dtype)
    coo = sparse.coo_matrix((values, (rows, columns)), shape=(2, 3))
    given = getattr(sparse, form)(coo) if form == "coo_matrix" else coo
    if form == "csr_matrix":
        given = sparse.csr_matrix((values[[0, 1, 3, 2]], [1, 1, 2, 0], [0, 3, 4]), shape=(2, 3))
    summed = as_csr(given).toarray()
    assert summed[0, 1] == (2 if dtype is bool else 200)
    assert summed[1, 0] == int(values[2])


def test_a_stored_zero_is_as_none_where_it_says_so():
    zeros = awkward(negative=False)
    zeros.data[::9] = 0
    gone = zeros.copy()
    gone.eliminate_zeros()
    for convention in ("linear", "log"):
        settings = {"factors": 3, "iterations": 2, "random_state": 0, "confidence": convention}
        a = SOLVERS["cholesky"](**settings).fit(zeros, show_progress=False)
        b = SOLVERS["cholesky"](**settings).fit(gone, show_progress=False)
        np.testing.assert_allclose(a.item_factors, b.item_factors, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8, bool, np.float32])
def test_counts_of_any_dtype(dtype):
    counts = awkward(negative=False)
    counts.data = np.ceil(counts.data)
    m = SOLVERS["cholesky"](factors=3, iterations=1, random_state=0)
    expected = m.fit(counts.astype(dtype).astype(np.float64), show_progress=False).item_factors
    assert np.array_equal(m.fit(counts.astype(dtype), show_progress=False).item_factors, expected)
