"""Canonical CSR of every form, on any number of threads, against SciPy; and what it may allocate."""

import tracemalloc

import numpy as np
import pytest
from scipy import sparse

from halfstep.kernels.sparse import canonical as module
from halfstep.kernels.sparse.canonical import canonical
from halfstep.kernels.sparse.counts import pieces_for

FORMS = [
    "sorted",
    "unsorted",
    "duplicates",
    "csc",
    "csc duplicates",
    "coo",
    "coo duplicates",
    "lil",
]
NARROW, WIDE = np.int32, np.int64
DTYPES = [
    *((bool, NARROW), (np.int8, WIDE), (np.uint16, NARROW), (np.int32, WIDE), (np.int64, NARROW)),
    *((np.float32, NARROW), (np.float32, WIDE), (np.float64, WIDE)),
]


@pytest.fixture(params=["scipy", "compiled"])
def path(request, monkeypatch):
    monkeypatch.setattr(module, "_FEW_ENTRIES", 0 if request.param == "compiled" else 10**9)
    monkeypatch.setattr(module, "_PIECE", 37)


def coordinates(rows, columns, entries, dtype, times=1):
    rng = np.random.default_rng(5)
    places = rng.choice(rows * columns, entries, replace=False)
    # One long row, an empty one, and columns of two bytes.
    row, column = np.minimum(places // columns, places % 7 * 9), places % columns
    places = np.unique(row * columns + column)
    rng.shuffle(places)
    row, column = places // columns, places % columns
    values = rng.integers(1, 100, len(places)).astype(dtype)
    return np.tile(values, times), np.tile(row, times), np.tile(column, times)


def given(form, dtype, index=np.int32):
    times = 3 if "duplicates" in form else 1
    values, row, column = coordinates(61, 700, 9_000, dtype, times)
    order = np.argsort(row, kind="stable")
    indptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=61))])
    if form.startswith(("coo", "lil")):
        coo = sparse.coo_matrix((values, (row, column)), shape=(61, 700))
        coo.row, coo.col = coo.row.astype(index), coo.col.astype(index)
        return coo.tolil() if form == "lil" else coo
    if form.startswith("csc"):
        order = np.argsort(column, kind="stable")
        indptr = np.concatenate([[0], np.cumsum(np.bincount(column, minlength=700))])
        arrays = values[order], row[order].astype(index), indptr.astype(index)
        return sparse.csc_matrix(arrays, shape=(61, 700))
    if form == "sorted":
        order = np.lexsort((column, row))
    arrays = values[order], column[order].astype(index), indptr.astype(index)
    return sparse.csr_matrix(arrays, shape=(61, 700))


def dense(form, dtype):
    values, row, column = coordinates(61, 700, 9_000, dtype, 3 if "duplicates" in form else 1)
    whole = np.zeros((61, 700))
    np.add.at(whole, (row, column), values.astype(np.float64))
    return whole


def arrays_of(matrix):
    if matrix.format == "coo":
        return matrix.data, matrix.row, matrix.col
    return (matrix.data, matrix.indices, matrix.indptr) if matrix.format != "lil" else ()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("dtype", "index"), DTYPES)
def test_every_form_is_put_in_order(path, form, dtype, index):
    matrix = given(form, dtype, index)
    before = [array.copy() for array in arrays_of(matrix)]
    found = [canonical(matrix, threads) for threads in (1, 3)]
    for result in found:
        assert type(result) is sparse.csr_matrix
        # Not by the flag, which `canonical` sets itself.
        again = sparse.csr_matrix((result.data, result.indices, result.indptr), result.shape)
        assert again.has_canonical_format
        np.testing.assert_array_equal(again.astype(np.float64).toarray(), dense(form, dtype))
        assert result.indices.dtype == result.indptr.dtype
        np.testing.assert_array_equal(result.data, found[0].data)
        np.testing.assert_array_equal(result.indices, found[0].indices)
    for array, copy in zip(arrays_of(matrix), before, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_what_is_in_order_is_shared(path):
    matrix = given("sorted", np.float32)
    result = canonical(matrix)
    assert np.shares_memory(result.data, matrix.data)
    assert np.shares_memory(result.indices, matrix.indices)
    flags = given("sorted", bool)
    assert np.shares_memory(canonical(flags).data, flags.data)
    assert canonical(flags).data.dtype == np.uint8


def test_a_wrong_flag_is_not_believed(path):
    matrix = given("unsorted", np.float32)
    matrix.has_canonical_format = True
    again = canonical(matrix)
    np.testing.assert_array_equal(again.toarray(), dense("unsorted", np.float32))
    assert (np.diff(again.indices[again.indptr[0] : again.indptr[1]]) > 0).all()


def test_duplicates_are_added_in_the_order_in_which_they_are_stored(monkeypatch):
    monkeypatch.setattr(module, "_FEW_ENTRIES", 0)
    values = np.array([1e8, 1, -1e8, 1, 2], np.float32)
    row, column = np.array([1, 1, 1, 1, 0]), np.array([3, 3, 3, 0, 2])
    coo = sparse.coo_matrix((values, (row, column)), shape=(2, 5))
    in_order = np.float32(np.float32(1e8) + np.float32(1)) + np.float32(-1e8)
    for threads in (1, 2, 5):
        assert canonical(coo, threads)[1, 3] == in_order
    assert canonical(coo)[1, 0] == 1


def test_nothing_to_sort(path):
    for shape in ((5, 3), (0, 3), (3, 0)):
        for form in ("csr", "csc", "coo", "dok"):
            result = canonical(sparse.csr_matrix(shape, dtype=np.float32).asformat(form))
            assert (result.shape, result.nnz) == (shape, 0)


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_long_rows_are_sorted_by_all_bytes_of_a_column(threads, monkeypatch):
    monkeypatch.setattr(module, "_FEW_ENTRIES", 0)
    rng = np.random.default_rng(0)
    columns = 1 << 25
    indices = [rng.choice(columns, n, replace=False) for n in (0, 1, 24, 25, 400, 3000)]
    indptr = np.concatenate([[0], np.cumsum([len(part) for part in indices])])
    values = np.arange(indptr[-1], dtype=np.float64)
    matrix = sparse.csr_matrix((values, np.concatenate(indices), indptr), shape=(6, columns))
    result = canonical(matrix, threads)
    for u, part in enumerate(indices):
        row = slice(*result.indptr[u : u + 2])
        np.testing.assert_array_equal(result.indices[row], np.sort(part))
        np.testing.assert_array_equal(result.data[row], indptr[u] + np.argsort(part))


@pytest.mark.parametrize(
    ("form", "most"), [("sorted", 0.3), ("unsorted", 1.2), ("csc", 1.4), ("coo", 1.4)]
)
def test_at_most_one_copy_is_made(form, most):
    rng = np.random.default_rng(0)
    users, items, each = 20_000, 5_000, 50
    columns = rng.integers(0, 100, (users, each), np.int32) + np.arange(each, dtype=np.int32) * 100
    if form == "unsorted":
        columns = columns[:, ::-1]
    pointers = np.arange(0, users * each + 1, each, dtype=np.int32)
    csr = sparse.csr_matrix(
        (np.ones(users * each, np.float32), columns.ravel(), pointers), shape=(users, items)
    )
    matrix = csr.asformat(form) if form in ("csc", "coo") else csr
    canonical(matrix)  # compiled before
    size = 8 * csr.nnz
    tracemalloc.start()
    try:
        canonical(matrix)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < most * size


def test_many_threads_do_not_take_many_counts():
    assert pieces_for(10**8, 10**5, 64) == 64
    assert pieces_for(24_000_000, 1_568_126, 64) == 7
    assert pieces_for(1000, 10**6, 64) == 2
    assert pieces_for(0, 0, 1) == 1
