"""Random draws that follow the ids: who and what is drawn does not depend on how it is numbered.

Every draw is a hash of the seed, the user's id and the item's id. So a data set whose users, items or
rows come in another order has the same pairs (user, item) held out. Ids count as text: 5 and "5" are one
id. Where no ids are given, the numbers of rows and columns are the ids.

The hash of an id is SipHash (Aumasson and Bernstein, INDOCRYPT 2012) of its text with a fixed key, as
pandas computes it. Numbers are mixed by the last steps of SplitMix64 (Steele, Lea and Flood, "Fast
splittable pseudorandom number generators", OOPSLA 2014).
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from halfstep.errors import InputError
from halfstep.solvers.fit.start import RandomState, generator

Numbers: TypeAlias = npt.NDArray[np.uint64]
_KEY = "halfstep draws 1"  # 16 bytes; another key draws otherwise
_STEP = np.uint64(0x9E3779B97F4A7C15)


class IdHashes(NamedTuple):
    """A 64-bit number for each user and each item, which follows from the id's text alone."""

    users: Numbers
    items: Numbers

    def of(self, users: npt.NDArray[np.integer]) -> IdHashes:
        """Return the hashes of chosen rows of users, with all items."""
        return IdHashes(self.users[users], self.items)


def hashed(shape: tuple[int, int], user_ids: Any = None, item_ids: Any = None) -> IdHashes:
    """Return the hashes of ids (users,) and (items,); None stands for the numbers of rows or columns.

    `user_ids` may already be the hashes of both.

    Raises
    ------
    InputError
        There are not as many ids as users or items.
    """
    if isinstance(user_ids, IdHashes):
        return user_ids
    return IdHashes(_of(user_ids, shape[0], "user_ids"), _of(item_ids, shape[1], "item_ids"))


def _of(ids: Any, count: int, name: str) -> Numbers:
    import pyarrow as pa
    from pandas.util import hash_array

    array = np.arange(count) if ids is None else np.asarray(ids)
    if array.shape != (count,):
        raise InputError(f"{name} must have {count} rows, got {array.shape}")
    if array.dtype.kind in "iu":
        text = pa.array(array).cast(pa.string()).to_numpy(zero_copy_only=False)
    else:
        text = array.astype(object)
        if not all(type(one) is str for one in text):
            text = np.array([str(one) for one in text], object)
    try:
        hashes: Numbers = hash_array(text, hash_key=_KEY, categorize=False)
    except UnicodeEncodeError:  # half of a surrogate pair, of text that was no UTF-8
        text = np.array([repr(one) for one in text], object)
        hashes = hash_array(text, hash_key=_KEY, categorize=False)
    return hashes


def drawn_seed(random_state: RandomState) -> Numbers:
    """Draw the number, (1,), that all hashes of one draw begin with."""
    return generator(random_state).integers(2**64, size=1, dtype=np.uint64)


def mixed(numbers: Numbers) -> Numbers:
    """Return numbers of which each bit depends on all bits of those given, one to one."""
    x: Numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return x


def entry_numbers(matrix: csr_matrix, ids: IdHashes, seed: Numbers) -> Numbers:
    """Return a random number for each stored entry, (entries,)."""
    users = mixed(ids.users ^ seed)
    return mixed(np.repeat(users, np.diff(matrix.indptr)) + ids.items[matrix.indices])


def numbers_in_turn(hashes: Numbers, seed: Numbers, turn: Any) -> Numbers:
    """Return the random number of each hash in a turn: an integer, or an array of integers."""
    turns = np.atleast_1d(turn).astype(np.uint64) + np.uint64(
        1
    )  # arrays overflow without a warning
    return mixed(mixed(hashes ^ seed) + turns * _STEP)


def as_uniform(numbers: Numbers) -> npt.NDArray[np.float64]:
    """Return random numbers as floats in [0, 1)."""
    uniform: npt.NDArray[np.float64] = (numbers >> np.uint64(11)) * 2.0**-53
    return uniform


def integers_below(numbers: Numbers, limits: Any) -> npt.NDArray[np.int64]:
    """Return random integers in [0, limit), for limits of at least 1."""
    integers: npt.NDArray[np.int64] = (as_uniform(numbers) * limits).astype(np.int64)
    return integers


def chosen_users(
    rows: npt.NDArray[np.int64], most: int, hashes: Numbers, random_state: RandomState
) -> npt.NDArray[np.int64]:
    """Return `rows` if there are at most so many, or else `most` of them, drawn by ids; ascending.

    `hashes` (users,) has a number for every user, not only for those in `rows`.
    """
    if len(rows) <= most:
        return rows
    numbers = numbers_in_turn(hashes[rows], drawn_seed(random_state), 0)
    return np.sort(rows[np.argpartition(numbers, most)[:most]])


def normal_numbers(hashes: Numbers, seed: Numbers, columns: int) -> npt.NDArray[np.float32]:
    """Return normal numbers (hashes, columns), `columns` even, by the method of Box and Muller."""
    found = np.empty((len(hashes), columns), np.float32)
    for column in range(0, columns, 2):
        first, second = (
            as_uniform(numbers_in_turn(hashes, seed, column + i)).astype(np.float32) for i in (0, 1)
        )
        radius = np.sqrt(-2 * np.log1p(-np.minimum(first, np.float32(1 - 2**-24))))
        angle = np.float32(2 * np.pi) * second
        found[:, column], found[:, column + 1] = radius * np.cos(angle), radius * np.sin(angle)
    return found
