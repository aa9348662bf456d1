"""Splits by time: the future is held out, equal times are ordered by ids, and unknown ones stay."""

import numpy as np
import pytest
from scipy import sparse

from halfstep import InputError
from halfstep.evaluation.protocols.chronological import (
    at_a_moment,
    last_of_each,
    moment,
    text_of,
)
from halfstep.evaluation.protocols.partitions import parts_of


@pytest.fixture
def plays():
    """Entries of 30 users with distinct times in random order; user 3 has none, user 4 one."""
    rng = np.random.default_rng(2)
    dense = rng.random((30, 40)) < 0.3
    dense[3] = False
    dense[4] = np.arange(40) == 7
    matrix = sparse.csr_matrix(dense.astype(np.float32))
    return matrix, rng.permutation(matrix.nnz).astype(float)


def times_in(part, matrix, times):
    """The times of a part's entries."""
    every = sparse.csr_matrix((times + 1, matrix.indices, matrix.indptr), shape=matrix.shape)
    return every[part.nonzero()].A1 - 1


def test_the_last_share_is_later_than_the_rest(plays):
    matrix, times = plays
    split = at_a_moment(matrix, times, test_fraction=0.25)
    assert split.test.nnz == round(0.25 * matrix.nnz)
    assert split.train.nnz + split.test.nnz == matrix.nnz
    assert times_in(split.train, matrix, times).max() < times_in(split.test, matrix, times).min()


def test_a_moment_belongs_to_the_future(plays):
    matrix, times = plays
    split = at_a_moment(matrix, times, time_from=100.0)
    assert split.train.nnz == 100
    assert times_in(split.test, matrix, times).min() == 100
    (part,) = parts_of("time", matrix, times=times, time_from=100.0)
    assert (part.test != split.test).nnz == 0
    assert part.label == split.label == "from 1970-01-01 00:01:40"


@pytest.mark.parametrize("last", [1, 3, 99])
def test_each_user_s_last_entries_are_held_out_but_one_is_left(plays, last):
    matrix, times = plays
    split = last_of_each(matrix, times, last)
    counts = np.diff(matrix.indptr)
    np.testing.assert_array_equal(
        np.diff(split.test.indptr), np.minimum(last, np.maximum(counts - 1, 0))
    )
    for user in np.flatnonzero(counts > 1):
        own = times[matrix.indptr[user] : matrix.indptr[user + 1]]
        old, new = (times_in(part[user], matrix[user], own) for part in (split.train, split.test))
        assert old.max() < new.min()
    (part,) = parts_of("last", matrix, times=times, last=last)
    assert (part.test != split.test).nnz == 0


def test_unknown_times_stay_in_the_training_part(plays):
    matrix, times = plays
    times[::3] = np.nan
    known = np.isfinite(times).sum()
    assert at_a_moment(matrix, times, test_fraction=0.9).test.nnz == known
    assert at_a_moment(matrix, times, time_from=-1.0).test.nnz == known
    split = last_of_each(matrix, times, 99)
    assert split.test.nnz <= known
    assert np.isfinite(times_in(split.test, matrix, times)).all()


def test_the_order_of_equal_times_follows_the_ids(plays):
    matrix, _ = plays
    split = at_a_moment(matrix, np.zeros(matrix.nnz), test_fraction=0.5)
    assert split.test.nnz == round(0.5 * matrix.nnz)
    many = np.diff(matrix.indptr) > 5
    assert np.diff(split.test.indptr)[many].all()
    assert np.diff(split.train.indptr)[many].all()
    other = at_a_moment(matrix, np.zeros(matrix.nnz), test_fraction=0.5, user_ids=np.arange(30) + 1)
    assert (other.test != split.test).nnz > 0


def test_who_has_no_history_before_the_moment_is_judged_apart(plays):
    from halfstep.evaluation.protocols.validation import validate

    matrix, times = plays
    times[matrix.indptr[8] : matrix.indptr[10]] += matrix.nnz  # users 8 and 9 come later
    found = validate({}, parts_of("time", matrix, times=times, test_fraction=0.2))
    assert found.without_history.users == 2


def test_data_without_times_say_which_option_gives_them(plays):
    matrix, times = plays
    for protocol in ("time", "last"):
        for none in (None, np.full(matrix.nnz, np.nan)):
            with pytest.raises(InputError, match=r"no entry of the data .* --time-column"):
                list(parts_of(protocol, matrix, times=none))
    with pytest.raises(InputError, match=rf"a time for each of {matrix.nnz} entries, got \(3,\)"):
        at_a_moment(matrix, times[:3])
    with pytest.raises(InputError, match="must be CSR in canonical form"):
        at_a_moment(matrix.tocoo(), times)
    with pytest.raises(InputError, match="got 1970-01-02 00:00:00 for entries from 1970-01-01"):
        at_a_moment(matrix, times, time_from=86400.0)


def test_dates_are_utc_unless_they_say_otherwise():
    assert moment("1970-01-02") == moment("86400") == moment("1970-01-02T01:00+01:00") == 86400
    assert moment("2024-01-31T12:00Z") == moment("2024-01-31 12:00:00")
    assert text_of(moment("2024-01-31")) == "2024-01-31 00:00:00"
    assert text_of(1e300) == "1e+300 s"
    with pytest.raises(
        InputError, match=r"--time-from must be a date like 2024-01-31, .*, got 'May'"
    ):
        moment("May")
