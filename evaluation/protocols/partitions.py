"""Partition a matrix into parts to fit a model on and to evaluate it on: ten protocols.

| protocol | held out | what a fit sees | what it measures |
| --- | --- | --- | --- |
| `random-rows` | a share of all entries (the lab's 90/10) | the rest; a user may lose all | any entry |
| `per-user` | a share of each user's entries | every user's rest | known users, several items each |
| `leave-one-out` | one entry of each user | all but one of each user's | known users, the next item |
| `strong` | a share of the entries of whole users | the other users only | new users, folded in |
| `k-fold` | each entry exactly once, in k parts | the other k - 1 parts | all entries, none twice |
| `ratio-curve` | growing shares of each user's entries | the rest | how quality grows with data |
| `time` | all entries after a moment | all before it | the future, with new users and items |
| `last` | each user's last entries by time | the rest | known users, the next items |
| `new-items` | all entries of some items | the other items only | new items, by their features |
| `new-users` | all entries of some users | the other users only | new users, by their features |

A fit sees the future in all but `time` and `last`: entries from after those that it is judged by. With
`last` it sees what others did later. The others can be repeated with other draws (Monte-Carlo
cross-validation); the draws of one seed are independent of each other, and follow the ids (`draws`), so
they do not depend on how users and items are numbered. The model gets nothing but a part's matrices:
weights, regularisation and popularity are computed from `train`, and a user's seen items from `history`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from halfstep import defaults
from halfstep.errors import InputError
from halfstep.evaluation.metrics.inputs import whole_number
from halfstep.evaluation.metrics.judged import entries_of
from halfstep.evaluation.protocols.chronological import at_a_moment, last_of_each
from halfstep.evaluation.protocols.cold_start import new_items, new_users
from halfstep.evaluation.protocols.draws import (
    IdHashes,
    chosen_users,
    drawn_seed,
    entry_numbers,
    hashed,
    integers_below,
    numbers_in_turn,
)
from halfstep.evaluation.protocols.part import Part, part_of
from halfstep.evaluation.protocols.split import (
    Split,
    fraction_of,
    leave_one_out,
    per_user,
    random_rows,
    shuffled_places,
)
from halfstep.solvers.fit.start import RandomState, generator
from halfstep.solvers.inputs import as_csr

PROTOCOLS = ("random-rows", "per-user", "leave-one-out", "strong", "k-fold", "ratio-curve", "time",
             "last", "new-items", "new-users")  # fmt: skip
TIMED = ("time", "last")
_SHARED = ("random-rows", "per-user", "strong", "time", "new-items", "new-users")
RATIOS = (0.1, 0.2, 0.4, 0.6, 0.8, 0.9)


def parts_of(
    protocol: str,
    user_items: Any,
    *,
    test_fraction: float | None = None,
    repeats: int = 1,
    folds: int = 5,
    user_ids: Any = None,
    item_ids: Any = None,
    times: Any = None,
    time_from: float | None = None,
    last: int | None = None,
    random_state: RandomState = 0,
) -> Iterator[Part]:
    """Yield the parts of a protocol, one at a time.

    Parameters
    ----------
    protocol : str
        A name from `PROTOCOLS`.
    user_items : sparse matrix or array, shape (users, items)
    test_fraction : float in (0, 1), optional
        Share held out of the entries, with `"strong"` both of the users and of their entries, or with
        `"new-items"` and `"new-users"` of the items or users: by default 0.1 with `"random-rows"` (the
        lab's share) and 0.2 otherwise; with `"time"` it is the last share of the entries.
        The other protocols take none.
    repeats : int
        Number of independent draws, at least 1; `"k-fold"` is repeated with other folds.
    folds : int
        Number of folds of `"k-fold"`, at least 2.
    user_ids, item_ids : array, optional
        Ids, (users,) and (items,), that draws follow; the numbers of rows and columns by default.
    times : float64 array, shape (entries,), optional
        For `"time"` and `"last"`: when each entry happened, in seconds since 1970, NaN if unknown.
    time_from : float, optional
        For `"time"`: the first moment that is held out, instead of a share; in seconds since 1970.
    last : int, optional
        For `"last"`: the number of held-out entries of each user, 1 by default.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None

    Yields
    ------
    Part
        What a fit sees in `train`, what the judged users have in `history`, what was held out of them in
        `test`, and their rows in `users`.

    Raises
    ------
    InputError
        The protocol is unknown, an argument is outside its range, or nothing can be held out.

    See Also
    --------
    halfstep.evaluation.validate : Fits and evaluates models on the parts.
    halfstep.evaluation.per_user : The split that most protocols are made of.

    Examples
    --------
    >>> from halfstep import load_data
    >>> from halfstep.evaluation import parts_of
    >>> plays = load_data("music-small").interactions
    >>> parts = list(parts_of("k-fold", plays, folds=4))
    >>> [part.label for part in parts]
    ['fold 1', 'fold 2', 'fold 3', 'fold 4']
    >>> sum(part.test.nnz for part in parts) == plays.nnz  # each entry is held out once
    True
    """
    if protocol not in PROTOCOLS:
        raise InputError(f"protocol must be one of {', '.join(PROTOCOLS)}, got {protocol!r}")
    for name, is_set, of in (
        ("test_fraction", test_fraction is not None, _SHARED),
        ("time_from", time_from is not None, ("time",)),
        ("last", last is not None, ("last",)),
        ("repeats", repeats != 1, tuple(p for p in PROTOCOLS if p not in TIMED)),
    ):
        if is_set and protocol not in of:
            raise InputError(f"{name} has no meaning with protocol {protocol!r}")
    if test_fraction is not None and time_from is not None:
        raise InputError("test_fraction has no meaning beside time_from")
    share = fraction_of(
        defaults.ROWS_TEST_FRACTION if protocol == "random-rows" else defaults.TEST_FRACTION
    )
    if test_fraction is not None:
        share = fraction_of(test_fraction)
    matrix = as_csr(user_items)
    whole_number("folds", folds, least=2)
    draws = range(whole_number("repeats", repeats, least=1))
    ids = hashed(matrix.shape, user_ids, item_ids)
    makers: dict[str, Callable[..., Iterator[Part]]] = {
        "random-rows": lambda **of: _whole(random_rows(matrix, share, **of), ids),
        "per-user": lambda **of: _whole(per_user(matrix, share, **of), ids),
        "leave-one-out": lambda **of: _whole(leave_one_out(matrix, **of), ids),
        "strong": lambda **of: iter([strong_generalisation(matrix, share, share, **of)]),
        "k-fold": lambda **of: k_fold(matrix, folds, **of),
        "ratio-curve": lambda **of: ratio_curve(matrix, **of),
        "time": lambda **_: _whole(
            at_a_moment(user_items, times, test_fraction=share, time_from=time_from, user_ids=ids),
            ids,
        ),
        "last": lambda **_: _whole(
            last_of_each(user_items, times, 1 if last is None else last, user_ids=ids), ids
        ),
        "new-items": lambda **of: iter([new_items(matrix, share, **of)]),
        "new-users": lambda **of: iter([new_users(matrix, share, **of)]),
    }
    for draw, rng in zip(draws, generator(random_state).spawn(len(draws)), strict=True):
        for part in makers[protocol](user_ids=ids, random_state=rng):
            if part.test.nnz == 0:
                raise InputError(f"{protocol}: no user has enough entries to hold any of them out")
            label = " ".join(filter(None, [f"draw {draw + 1}" if repeats > 1 else "", part.label]))
            yield replace(part, label=label)


def strong_generalisation(
    user_items: Any,
    user_fraction: float = 0.2,
    test_fraction: float = defaults.TEST_FRACTION,
    *,
    user_ids: Any = None,
    item_ids: Any = None,
    random_state: RandomState,
) -> Part:
    """Hold out whole users: the fit does not see them, and a half-step on their history folds them in.

    Parameters
    ----------
    user_items : sparse matrix or array, shape (users, items)
    user_fraction : float in (0, 1)
        Share held out of the users with at least two entries, at least one user.
    test_fraction : float in (0, 1)
        Share of each held-out user's entries in `test`, at least one entry; the rest is the history.

    Notes
    -----
    Marlin, "Collaborative filtering: a machine learning perspective", 2004, ch. 3.3.
    """
    matrix = as_csr(user_items)
    share = fraction_of(user_fraction, "user_fraction")
    rng = generator(random_state)
    able = np.flatnonzero(np.diff(matrix.indptr) >= 2)
    if len(able) < 2:
        raise InputError(f"user_items must have 2 users with 2 entries or more, got {len(able)}")
    number = min(max(1, round(share * len(able))), len(able) - 1)
    ids = hashed(matrix.shape, user_ids, item_ids)
    held_out = chosen_users(able, number, ids.users, rng)
    fitted = np.setdiff1d(np.arange(matrix.shape[0]), held_out)
    judged = ids.of(held_out)
    split = per_user(
        matrix[held_out], test_fraction, min_train=1, min_test=1, user_ids=judged, random_state=rng
    )
    return Part(
        "", matrix[fitted], split.train, split.test, held_out, folded=True, ids=judged,
        fitted=fitted,
    )  # fmt: skip


def k_fold(
    user_items: Any,
    folds: int = 5,
    *,
    user_ids: Any = None,
    item_ids: Any = None,
    random_state: RandomState,
) -> Iterator[Part]:
    """Yield `folds` parts in which every stored entry is held out exactly once.

    A user's entries go in random order to the folds in turn, beginning at a random fold. So each fold
    gets its share of every user, and users with few entries do not all miss the same folds.
    """
    matrix = as_csr(user_items)
    count = whole_number("folds", folds, least=2)
    rng = generator(random_state)
    ids = hashed(matrix.shape, user_ids, item_ids)
    first = integers_below(numbers_in_turn(ids.users, drawn_seed(rng), 0), count)
    places = shuffled_places(matrix, entry_numbers(matrix, ids, drawn_seed(rng)))
    fold = (places + np.repeat(first, np.diff(matrix.indptr))) % count
    for k in range(count):
        split = Split(entries_of(matrix, fold != k), entries_of(matrix, fold == k))
        yield part_of(split, f"fold {k + 1}", user_ids=ids)


def ratio_curve(
    user_items: Any,
    ratios: Sequence[float] = RATIOS,
    *,
    user_ids: Any = None,
    item_ids: Any = None,
    random_state: RandomState,
) -> Iterator[Part]:
    """Yield a part for each held-out share of every user's entries, in the order of `ratios`.

    All parts use one random order of each user's entries, so a larger training part contains every
    smaller one, and along the curve only the amount of data changes. The held-out part grows as the
    training part shrinks, and with it all metrics that count hits: compare with the baselines.
    """
    matrix = as_csr(user_items)
    ids = hashed(matrix.shape, user_ids, item_ids)
    seed = int(generator(random_state).integers(2**63))
    for ratio in ratios:
        split = per_user(matrix, ratio, user_ids=ids, random_state=seed)
        yield part_of(split, f"{1 - fraction_of(ratio):.0%} to train", user_ids=ids)


def _whole(split: Split, ids: IdHashes) -> Iterator[Part]:
    yield part_of(split, split.label, user_ids=ids)
