"""The transpose in bands and on threads, against SciPy's, bit for bit."""

import numpy as np
import pytest
from scipy import sparse

from halfstep.kernels.sparse.transpose import transpose


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("bands", [1, 4, 40])
def test_every_number_of_bands_and_threads_gives_scipys(bands, threads):
    matrix = sparse.random(83, 57, 0.2, "csr", np.float32, random_state=0)
    matrix.sort_indices()
    wanted = matrix.T.tocsr()
    found = transpose(
        matrix.indptr, matrix.indices, matrix.data, 57, np.float32, threads, bands
    )  # fmt: skip
    for got, array in zip(found, ("indptr", "indices", "data"), strict=True):
        np.testing.assert_array_equal(got, getattr(wanted, array))
    assert found[1].dtype == np.int32


def test_unsorted_rows_and_duplicates_are_allowed_in_one_band():
    columns, values = np.array([3, 1, 3, 0, 2, 2], np.int32), np.arange(6.0)
    indptr, rows, moved = transpose(np.array([0, 3, 6]), columns, values, 5, np.float64, 2)
    assert indptr.tolist() == [0, 1, 2, 4, 6, 6]
    assert rows.tolist() == [1, 0, 1, 1, 0, 0]
    assert moved.tolist() == [3.0, 1.0, 4.0, 5.0, 0.0, 2.0]


@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (3, 2)])
def test_nothing_is_transposed_to_nothing(shape):
    empty = sparse.csr_matrix(shape, dtype=np.float32)
    arrays = empty.indptr, empty.indices, empty.data
    for bands in (1, 4):
        indptr, rows, values = transpose(*arrays, shape[1], np.float32, 3, bands)
        assert (indptr.tolist(), len(rows), len(values)) == ([0] * (shape[1] + 1), 0, 0)
