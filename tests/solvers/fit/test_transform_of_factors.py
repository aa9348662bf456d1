"""Which factors a transform belongs to."""

import numpy as np
from cases.solvers import awkward

from halfstep import SOLVERS


def test_a_transform_belongs_to_the_factors_of_its_fit():
    matrix = awkward(negative=False)
    settings = {"factors": 4, "iterations": 2, "random_state": 0}
    plain = SOLVERS["cholesky"](**settings).fit(matrix, show_progress=False)
    weighed = SOLVERS["cholesky"](**settings, transform="bm25").fit(matrix, show_progress=False)
    expected = plain.recalculate_user(9, matrix[9])
    # What the next fit is to do says nothing about these factors.
    plain.set_params(transform="bm25")
    np.testing.assert_array_equal(plain.recalculate_user(9, matrix[9]), expected)
    before = weighed.recalculate_user(9, matrix[9])
    weighed.set_params(transform=None)
    np.testing.assert_array_equal(weighed.recalculate_user(9, matrix[9]), before)
    # Factors from elsewhere come without it.
    weighed.user_factors, weighed.item_factors = plain.user_factors, plain.item_factors
    np.testing.assert_array_equal(weighed.recalculate_user(9, matrix[9]), expected)
