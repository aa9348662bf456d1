"""The three splits: a partition of the input, seeded, and of the size that was asked for."""

import numpy as np
import pytest
from scipy import sparse

from halfstep.errors import InputError
from halfstep.evaluation.protocols.split import (
    leave_one_out,
    per_user,
    random_rows,
    shuffled_places,
)

SPLITS = {
    "random_rows": lambda M, seed: random_rows(M, 0.3, random_state=seed),
    "per_user": lambda M, seed: per_user(M, 0.3, random_state=seed),
    "leave_one_out": lambda M, seed: leave_one_out(M, random_state=seed),
}
split_by = pytest.mark.parametrize("split", SPLITS.values(), ids=SPLITS.keys())


@pytest.fixture
def plays():
    """37 x 53, with empty rows and columns, one full row, a row of one entry, an explicit zero."""
    rng = np.random.default_rng(4)
    dense = rng.integers(1, 90, (37, 53)) * (rng.random((37, 53)) < 0.2)
    dense[[3, 36]] = 0
    dense[:, [0, 52]] = 0
    dense[5] = np.arange(1, 54)
    dense[7] = 0
    dense[7, 11] = 8
    matrix = sparse.csr_matrix(dense.astype(np.float32))
    matrix.data[2] = 0
    return matrix


def stored(matrix):
    coo = matrix.tocoo()
    return {(int(u), int(i)): v for u, i, v in zip(coo.row, coo.col, coo.data, strict=True)}


@split_by
def test_train_and_test_partition_the_entries_with_their_values(split, plays):
    result = split(plays, 0)
    train, test = stored(result.train), stored(result.test)
    assert not train.keys() & test.keys()
    assert train | test == stored(plays)
    for part in (result.train, result.test):
        assert isinstance(part, sparse.csr_matrix)
        assert part.shape == plays.shape
        assert part.dtype == plays.dtype
        assert part.has_canonical_format


@split_by
def test_seed_decides(split, plays):
    assert stored(split(plays, 1).test) == stored(split(plays, 1).test)
    assert stored(split(plays, 1).test) != stored(split(plays, 2).test)
    rng = np.random.default_rng(1)
    assert stored(split(plays, rng).test) == stored(split(plays, 1).test)
    assert stored(split(plays, rng).test) != stored(split(plays, 1).test)
    legacy = [split(plays, np.random.RandomState(seed)).test for seed in (5, 5, 6)]
    assert stored(legacy[0]) == stored(legacy[1]) != stored(legacy[2])
    assert stored(split(plays, None).test) != stored(split(plays, None).test)


@split_by
@pytest.mark.parametrize("kind", ["csr_array", "csc_matrix", "coo_array", "int64", "unsorted"])
def test_every_form_gives_the_same_split_and_is_left_alone(split, plays, kind):
    if kind == "int64":
        given = plays.copy()
        given.indices, given.indptr = given.indices.astype(np.int64), given.indptr.astype(np.int64)
    elif kind == "unsorted":
        # Each entry twice, in falling order of columns, with half of its value.
        coo = plays.tocoo()
        order = np.repeat(np.lexsort((-coo.col, coo.row)), 2)
        indptr = 2 * plays.indptr
        given = sparse.csr_matrix((coo.data[order] / 2, coo.col[order], indptr), shape=plays.shape)
    else:
        given = getattr(sparse, kind)(plays)
    before = {k: v.copy() for k, v in vars(given).items() if isinstance(v, np.ndarray)}
    result = split(given, 3)
    expected = split(plays, 3)
    assert stored(result.train) == stored(expected.train)
    assert stored(result.test) == stored(expected.test)
    for name, array in before.items():
        np.testing.assert_array_equal(getattr(given, name), array)
    result.train.data[:] = -1
    result.test.data[:] = -1
    np.testing.assert_array_equal(given.toarray(), plays.toarray())


@pytest.mark.parametrize("fraction", [0.001, 0.1, 0.5, 0.999])
def test_random_rows_holds_out_the_rounded_share(plays, fraction):
    result = random_rows(plays, fraction, random_state=0)
    assert result.test.nnz == round(fraction * plays.nnz)


@pytest.mark.parametrize("min_train", [0, 1, 4])
@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.9])
def test_per_user_holds_out_the_rounded_share_but_leaves_min_train(plays, fraction, min_train):
    result = per_user(plays, fraction, min_train=min_train, random_state=0)
    for user, n in enumerate(np.diff(plays.indptr)):
        expected = max(0, min(int(fraction * n + 0.5), n - min_train))
        assert result.test.indptr[user + 1] - result.test.indptr[user] == expected


def test_leave_one_out_takes_one_entry_of_each_user_that_has_two(plays):
    result = leave_one_out(plays, random_state=0)
    np.testing.assert_array_equal(np.diff(result.test.indptr), np.diff(plays.indptr) >= 2)


def test_entries_are_held_out_equally_often():
    matrix = sparse.csr_matrix(np.ones((4000, 5), np.float32))
    for split, share in ((per_user, 0.2), (leave_one_out, 0.2), (random_rows, 0.1)):
        held_out = split(matrix, random_state=0).test.sum(axis=0) / 4000
        # Five standard deviations of a mean over 4,000 users.
        np.testing.assert_allclose(held_out, share, atol=5 * 0.4 / np.sqrt(4000))


def test_default_fractions(plays):
    assert random_rows(plays, random_state=0).test.nnz == round(0.1 * plays.nnz)
    same = per_user(plays, 0.2, min_train=1, random_state=0)
    assert stored(per_user(plays, random_state=0).test) == stored(same.test)


@pytest.mark.parametrize("split", [random_rows, per_user])
@pytest.mark.parametrize("fraction", [0, 1, -0.1, float("nan"), "half", None, True])
def test_fraction_outside_the_open_interval_is_refused(plays, split, fraction):
    with pytest.raises(InputError, match=r"test_fraction must lie .*, got"):
        split(plays, fraction, random_state=0)


@split_by
@pytest.mark.parametrize("seed", [-1, 1.5, "seed"])
def test_bad_seed_is_refused(split, plays, seed):
    with pytest.raises(InputError, match=r"random_state must be .*, got"):
        split(plays, seed)


@split_by
def test_dense_matrix_is_refused(split, plays):
    with pytest.raises(
        InputError, match="user_items must be a SciPy sparse matrix or array, got ndarray"
    ):
        split(plays.toarray(), 0)


@pytest.mark.parametrize("min_train", [-1, 1.5, True])
def test_bad_min_train_is_refused(plays, min_train):
    with pytest.raises(InputError, match=r"min_train must be .*, got"):
        per_user(plays, min_train=min_train, random_state=0)


@split_by
@pytest.mark.parametrize("shape", [(0, 5), (4, 0), (4, 5)])
def test_empty_matrix_gives_empty_parts(split, shape):
    result = split(sparse.csr_matrix(shape), 0)
    assert result.train.shape == result.test.shape == shape
    assert result.train.nnz == result.test.nnz == 0


def test_places_are_those_of_a_sort_by_row_and_number(plays):
    rng = np.random.default_rng(0)
    rows = np.repeat(np.arange(plays.shape[0]), np.diff(plays.indptr))
    many = rng.integers(2**64, size=plays.nnz, dtype=np.uint64)
    few = rng.permutation(plays.nnz).astype(np.uint64)  # which differ in their last bits alone
    for numbers in (many, few):
        order = np.lexsort((numbers, rows))
        first = np.repeat(plays.indptr[:-1], np.diff(plays.indptr))
        expected = np.argsort(order) - first
        np.testing.assert_array_equal(shuffled_places(plays, numbers), expected)
