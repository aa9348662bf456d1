"""BM25 and TF-IDF as functions of a matrix: those of `implicit`, and what a fit does by itself."""

import numpy as np
import oracle
import pytest
from cases.solvers import awkward
from scipy import sparse

from halfstep import SOLVERS, InputError
from halfstep.solvers.fit import term_weights


@pytest.mark.parametrize("k1", [100, 1.2, 0.0])
@pytest.mark.parametrize("b", [0.8, 0.0, 1.0])
@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int64])
def test_the_functions_are_those_of_implicit(k1, b, kind):
    theirs = pytest.importorskip("implicit.nearest_neighbours", reason="implicit is not installed")
    values = np.ceil(awkward(negative=False).T.toarray()).astype(kind)
    values[:, 1] = 1  # a user who has all items
    item_users = sparse.csr_matrix(values)
    # Its sums and roots are in the dtype of the values.
    tolerance = 8 * np.finfo(np.float32 if kind == np.float32 else np.float64).eps
    for found, wanted in (
        (term_weights.bm25_weight(item_users, k1, b), theirs.bm25_weight(item_users, k1, b)),
        (term_weights.tfidf_weight(item_users), theirs.tfidf_weight(item_users)),
    ):
        assert (found.toarray() < 0).any()
        np.testing.assert_allclose(found.toarray(), wanted.toarray(), rtol=tolerance)


def test_the_functions_take_rows_of_items_and_leave_them_alone():
    matrix = awkward(negative=False)
    before = matrix.copy()
    found = term_weights.bm25_weight(matrix.T)
    np.testing.assert_allclose(found.T.toarray(), oracle.transformed(matrix, "bm25"), rtol=1e-13)
    found = term_weights.tfidf_weight(sparse.coo_array(matrix.T))
    np.testing.assert_allclose(found.T.toarray(), oracle.transformed(matrix, "tfidf"), rtol=1e-13)
    assert (matrix != before).nnz == 0
    assert term_weights.bm25_weight(sparse.csr_matrix((3, 4))).shape == (3, 4)
    for bad, message in (
        (lambda: term_weights.bm25_weight(matrix, K1=-1), "K1 must be at least 0"),
        (lambda: term_weights.bm25_weight(matrix, B=1.5), "B must be from 0 to 1, got 1.5"),
        (lambda: term_weights.tfidf_weight(np.ones((2, 2))), "X must be a SciPy sparse"),
    ):
        with pytest.raises(InputError, match=message):
            bad()


@pytest.mark.parametrize("name", ["bm25", "sharp", "tfidf"])
def test_a_fit_is_one_to_the_functions_matrix(name):
    matrix, weigh, settings = awkward(negative=False), term_weights.bm25_weight, {}
    if name == "sharp":
        settings = {"bm25_k1": 1.2, "bm25_b": 1.0}
    elif name == "tfidf":
        weigh = term_weights.tfidf_weight
    transform = "tfidf" if name == "tfidf" else "bm25"
    values = weigh(matrix.T, *settings.values()).T.tocsr()
    first, second = (
        SOLVERS["cholesky"](5, dtype=np.float64, iterations=2, random_state=0, **arguments)
        for arguments in ({"transform": transform, **settings}, {})
    )
    first.fit(matrix, show_progress=False)
    second.fit(values, show_progress=False)
    np.testing.assert_allclose(first.item_factors, second.item_factors, rtol=1e-8, atol=1e-11)
