"""Hold whole items or whole users out, of which a model then knows nothing but their features.

| protocol | what a fit sees | what is ranked | for whom |
| --- | --- | --- | --- |
| `new-items` | no entry of the new items | the new items only | who has one of them |
| `new-users` | the other users only | all items | the new users |

New items compete with each other alone: among all items, the metrics would first of all measure how well
a model knows that a new item is less popular. Baselines say what a model owes to the features. New items
have equal scores by popularity, since nobody has any of them, and so they would by the mean of the other
items' factors: all ties, with the mean of a random order, so the table has popularity only.
For new users popularity is a baseline as ever, and the mean of the fitted users' factors is another: one
list for all, by the model's own item factors.

Schein, Popescul, Ungar and Pennock, "Methods and metrics for cold-start recommendations", SIGIR 2002.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from halfstep import defaults
from halfstep.errors import InputError
from halfstep.evaluation.metrics.inputs import Indices
from halfstep.evaluation.metrics.judged import entries_of
from halfstep.evaluation.protocols.draws import IdHashes, chosen_users, hashed
from halfstep.evaluation.protocols.part import Part
from halfstep.evaluation.protocols.split import fraction_of
from halfstep.solvers.fit.start import RandomState
from halfstep.solvers.inputs import as_csr


def new_items(
    user_items: Any,
    test_fraction: float = defaults.TEST_FRACTION,
    *,
    user_ids: Any = None,
    item_ids: Any = None,
    random_state: RandomState,
) -> Part:
    """Hold out all entries of some items, and rank these items alone.

    Parameters
    ----------
    user_items : sparse matrix or array, shape (users, items)
    test_fraction : float in (0, 1)
        Share held out of the items with entries: at least two of them, since one needs no ranking, and
        not all.
    user_ids, item_ids : array, optional
        Ids, (users,) and (items,), of which the draw follows the items'; their numbers by default.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None

    Returns
    -------
    Part
        All users are fitted; the columns of the drawn items, its `candidates`, are empty in `train`.

    Raises
    ------
    InputError
        Fewer than three items have entries, or an argument is outside its range.
    """
    matrix = as_csr(user_items)
    share = fraction_of(test_fraction)
    counts = np.bincount(matrix.indices, minlength=matrix.shape[1])
    ids = hashed(matrix.shape, user_ids, item_ids)
    drawn = _drawn("items", counts, share, 2, ids.items, random_state)
    is_new = np.zeros(matrix.shape[1], bool)
    is_new[drawn] = True
    held_out = is_new[matrix.indices]
    train, test = entries_of(matrix, ~held_out), entries_of(matrix, held_out)
    users = np.arange(matrix.shape[0])
    return Part("", train, train, test, users, ids=ids, candidates=drawn)


def new_users(
    user_items: Any,
    test_fraction: float = defaults.TEST_FRACTION,
    *,
    user_ids: Any = None,
    item_ids: Any = None,
    random_state: RandomState,
) -> Part:
    """Hold out all entries of some users, who get their factors from their features alone.

    The arguments are those of `new_items`; `test_fraction` is the share held out of the users with
    entries, at least one of them and not all.

    Returns
    -------
    Part
        It is `folded`; the other users are fitted, and `history` is empty.

    Raises
    ------
    InputError
        Fewer than two users have entries, or an argument is outside its range.
    """
    matrix = as_csr(user_items)
    share = fraction_of(test_fraction)
    ids: IdHashes = hashed(matrix.shape, user_ids, item_ids)
    drawn = _drawn("users", np.diff(matrix.indptr), share, 1, ids.users, random_state)
    fitted = np.setdiff1d(np.arange(matrix.shape[0]), drawn)
    nothing = csr_matrix((len(drawn), matrix.shape[1]), dtype=matrix.dtype)
    return Part(
        "", matrix[fitted], nothing, matrix[drawn], drawn, folded=True, ids=ids.of(drawn),
        fitted=fitted,
    )  # fmt: skip


def _drawn(
    what: str, counts: Any, share: float, least: int, hashes: Any, random_state: RandomState
) -> Indices:
    """Return at least `least` of the rows with entries, but not all, drawn by their ids; ascending."""
    able = np.flatnonzero(counts > 0)
    if len(able) <= least:
        raise InputError(f"user_items must have {least + 1} {what} with entries, got {len(able)}")
    number = min(max(least, round(share * len(able))), len(able) - 1)
    return chosen_users(able, number, hashes, random_state)
