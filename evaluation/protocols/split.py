"""Hold out part of a user-item matrix by one of three seeded splits, none of which loops over users.

`random_rows` is the lab's split, and `per_user` is the split of most full-ranking benchmarks.
`leave_one_out` resembles the split of He et al. (WWW 2017), but holds out a random entry of each user
where they hold out the last one.

What is held out follows from the seed and the ids (`draws`), not from the order of users and items.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from halfstep import defaults
from halfstep.errors import InputError
from halfstep.evaluation.metrics.inputs import whole_number
from halfstep.evaluation.metrics.judged import entries_of
from halfstep.evaluation.protocols.draws import (
    Numbers,
    drawn_seed,
    entry_numbers,
    hashed,
)
from halfstep.solvers.fit.start import RandomState
from halfstep.solvers.inputs import as_csr


@dataclass(frozen=True)
class Split:
    """Two CSR matrices of the input's shape; every stored entry of the input is in one of them.

    Attributes
    ----------
    train, test : csr_matrix, shape (users, items)
        Values and dtype are the input's, except that bool becomes float32. Columns are sorted within
        a row, and duplicate entries of the input are summed. The arrays are copies.
    label : str
        What distinguishes the split, such as its moment.

    See Also
    --------
    halfstep.evaluation.per_user : One of the functions that return it.
    """

    train: csr_matrix
    test: csr_matrix
    label: str = ""


def random_rows(
    user_items: Any,
    test_fraction: float = defaults.ROWS_TEST_FRACTION,
    *,
    user_ids: Any = None,
    item_ids: Any = None,
    random_state: RandomState,
) -> Split:
    """Hold out a random share of all stored entries, that is, of the rows (user, item, plays).

    A user may lose every entry, and then cannot be fitted: `per_user` prevents that.

    Parameters
    ----------
    user_items : sparse matrix or array, shape (users, items)
    test_fraction : float in (0, 1)
        Exactly round(test_fraction * stored entries) entries are held out.
    user_ids, item_ids : array, optional
        Ids, (users,) and (items,), that the draw follows; the numbers of rows and columns by default.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None
        The same seed gives the same split.

    Returns
    -------
    Split
        Matrices `train` and `test`, both (users, items).

    Raises
    ------
    InputError
        `user_items` is not a matrix of finite numbers, `test_fraction` is outside (0, 1), or
        `random_state` is invalid.

    See Also
    --------
    halfstep.evaluation.per_user : A share of each user's entries instead.
    halfstep.evaluation.parts_of : This and nine other protocols, by name.

    Examples
    --------
    >>> from halfstep.evaluation import random_rows
    >>> from scipy.sparse import csr_matrix
    >>> plays = csr_matrix([[5, 0, 1, 0, 2, 0], [0, 3, 0, 1, 0, 4], [1, 0, 7, 0, 0, 2]])
    >>> split = random_rows(plays, 0.3, random_state=0)
    >>> split.train.nnz, split.test.nnz
    (6, 3)
    """
    matrix = as_csr(user_items)
    held_out = round(fraction_of(test_fraction) * matrix.nnz)
    in_test = np.zeros(matrix.nnz, dtype=bool)
    numbers = _numbers(matrix, user_ids, item_ids, random_state)
    in_test[np.argpartition(numbers, min(held_out, max(0, matrix.nnz - 1)))[:held_out]] = True
    return _parts(matrix, in_test)


def per_user(
    user_items: Any,
    test_fraction: float = defaults.TEST_FRACTION,
    *,
    min_train: int = 1,
    min_test: int = 0,
    user_ids: Any = None,
    item_ids: Any = None,
    random_state: RandomState,
) -> Split:
    """Hold out a random share of each user's entries.

    Of a user's n entries, floor(test_fraction * n + 1/2) are held out, or `min_test` if that is more,
    but never so many that fewer than `min_train` remain.

    Parameters
    ----------
    user_items : sparse matrix or array, shape (users, items)
    test_fraction : float in (0, 1)
    min_train : int
        Number of entries that each user keeps in `train`; a user with no more entries loses none.
    min_test : int
        Smallest number of held-out entries of a user, if `min_train` allows it.
    user_ids, item_ids : array, optional
        Ids, (users,) and (items,), that the draw follows; the numbers of rows and columns by default.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None
        The same seed gives the same split.

    Returns
    -------
    Split
        Matrices `train` and `test`, both (users, items).

    Raises
    ------
    InputError
        `user_items` is not a matrix of finite numbers, `test_fraction` is outside (0, 1), `min_train`
        or `min_test` is negative, or `random_state` is invalid.

    See Also
    --------
    halfstep.evaluation.leave_one_out : One entry of each user.
    halfstep.evaluation.random_rows : A share of all entries.

    Examples
    --------
    >>> import numpy as np
    >>> from halfstep.evaluation import per_user
    >>> from scipy.sparse import csr_matrix
    >>> plays = csr_matrix([[5, 0, 1, 0, 2, 0], [0, 3, 0, 1, 0, 4], [1, 0, 7, 0, 0, 2]])
    >>> split = per_user(plays, 0.3, random_state=0)
    >>> np.diff(split.test.indptr).tolist()
    [1, 1, 1]
    """
    matrix = as_csr(user_items)
    fraction = fraction_of(test_fraction)
    kept = whole_number("min_train", min_train, least=0)
    least = whole_number("min_test", min_test, least=0)
    counts = np.diff(matrix.indptr)
    wanted = np.maximum(np.floor(fraction * counts + 0.5).astype(np.int64), least)
    held_out = np.minimum(wanted, np.maximum(counts - kept, 0))
    numbers = _numbers(matrix, user_ids, item_ids, random_state)
    in_test = shuffled_places(matrix, numbers) < np.repeat(held_out, counts)
    return _parts(matrix, in_test)


def leave_one_out(
    user_items: Any, *, user_ids: Any = None, item_ids: Any = None, random_state: RandomState
) -> Split:
    """Hold out one random entry of every user that has at least two.

    Parameters
    ----------
    user_items : sparse matrix or array, shape (users, items)
    user_ids, item_ids : array, optional
        Ids, (users,) and (items,), that the draw follows; the numbers of rows and columns by default.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None
        The same seed gives the same split.

    Returns
    -------
    Split
        Matrices `train` and `test`, both (users, items).

    Raises
    ------
    InputError
        `user_items` is not a matrix of finite numbers, or `random_state` is invalid.

    See Also
    --------
    halfstep.evaluation.per_user : A share of each user's entries.
    halfstep.evaluation.parts_of : Its protocol "last" takes the last entry by time.

    Notes
    -----
    He, Liao, Zhang, Nie, Hu and Chua, "Neural collaborative filtering", WWW 2017, hold out the last
    entry.

    Examples
    --------
    >>> from halfstep.evaluation import leave_one_out
    >>> from scipy.sparse import csr_matrix
    >>> plays = csr_matrix([[5, 0, 1, 0], [0, 3, 0, 0], [1, 0, 7, 2]])
    >>> leave_one_out(plays, random_state=0).test.getnnz(axis=1).tolist()  # user 1 keeps its only entry
    [1, 0, 1]
    """
    matrix = as_csr(user_items)
    counts = np.diff(matrix.indptr)
    numbers = _numbers(matrix, user_ids, item_ids, random_state)
    in_test = (shuffled_places(matrix, numbers) == 0) & np.repeat(counts >= 2, counts)
    return _parts(matrix, in_test)


def _numbers(
    matrix: csr_matrix, user_ids: Any, item_ids: Any, random_state: RandomState
) -> Numbers:
    seed = drawn_seed(random_state)
    return entry_numbers(matrix, hashed(matrix.shape, user_ids, item_ids), seed)


def shuffled_places(matrix: csr_matrix, numbers: Numbers) -> npt.NDArray[np.int64]:
    """Return each entry's place, from 0, in its row by ascending `numbers` (entries,); (entries,)."""
    counts = np.diff(matrix.indptr)
    # A sort by one number, the row above the leading bits: with a sort by both, `per_user` would take
    # 2.9 instead of 0.8 s for 5 million entries.
    bits = np.uint64(matrix.shape[0].bit_length())
    rows = np.repeat(np.arange(matrix.shape[0], dtype=np.uint64), counts)
    together = (rows << (np.uint64(64) - bits)) | (numbers >> bits)
    shuffled = np.argsort(together)
    together = together[shuffled]
    if (together[1:] == together[:-1]).any():
        shuffled = np.lexsort((numbers, rows))
    places = np.empty(matrix.nnz, np.int64)
    places[shuffled] = np.arange(matrix.nnz) - np.repeat(matrix.indptr[:-1], counts)
    return places


def fraction_of(value: float, name: str = "test_fraction") -> float:
    """Return `value` as a float strictly between 0 and 1, or raise InputError."""
    # The comparison is written so that NaN fails.
    if (
        isinstance(value, bool)
        or not isinstance(value, float | int | np.number)
        or not 0 < value < 1
    ):
        raise InputError(f"{name} must lie strictly between 0 and 1, got {value!r}")
    return float(value)


def _parts(matrix: csr_matrix, in_test: npt.NDArray[np.bool_]) -> Split:
    return Split(train=entries_of(matrix, ~in_test), test=entries_of(matrix, in_test))
