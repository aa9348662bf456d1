"""Partition a matrix into parts to fit a model on and to evaluate it on: six protocols, all seeded.

| protocol | held out | what a fit sees | what it measures |
| --- | --- | --- | --- |
| `random-rows` | a share of all entries (the lab's 90/10) | the rest; a user may lose all | any entry |
| `per-user` | a share of each user's entries | every user's rest | known users, several items each |
| `leave-one-out` | one entry of each user | all but one of each user's | known users, the next item |
| `strong` | a share of the entries of whole users | the other users only | new users, folded in |
| `k-fold` | each entry exactly once, in k parts | the other k - 1 parts | all entries, none twice |
| `ratio-curve` | growing shares of each user's entries | the rest | how quality grows with data |

The first four can be repeated with other draws (Monte-Carlo cross-validation); the draws of one seed
are independent of each other. The model gets nothing but a part's matrices: weights, regularisation
and popularity are computed from `train`, and a user's seen items from `history`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from halfstep.errors import InputError
from halfstep.evaluation.metrics.inputs import whole_number
from halfstep.evaluation.protocols.split import (
    Split,
    entries_of,
    fraction_of,
    leave_one_out,
    per_user,
    random_rows,
    shuffled_places,
)
from halfstep.solvers.fit.start import RandomState, generator
from halfstep.solvers.inputs import as_csr
from halfstep.types import Floats

PROTOCOLS = ("random-rows", "per-user", "leave-one-out", "strong", "k-fold", "ratio-curve")
RATIOS = (0.1, 0.2, 0.4, 0.6, 0.8, 0.9)


@dataclass(frozen=True)
class Part:
    """The matrices of one fit and its evaluation.

    Attributes
    ----------
    label : str
        Distinguishes the part from the protocol's other parts.
    train : csr_matrix, shape (fitted users, items)
        All entries that a fit may see.
    history : csr_matrix, shape (judged users, items)
        Entries that the evaluated users already have; these items are not recommended to them.
    test : csr_matrix, shape (judged users, items)
        Held-out entries of the evaluated users; shares none with `history`.
    users : int64 array, shape (judged users,)
        Row of the original matrix for each row of `history` and `test`.
    folded : bool
        Whether the evaluated users are not among the fitted users, but folded in from `history`.
    """

    label: str
    train: csr_matrix
    history: csr_matrix
    test: csr_matrix
    users: npt.NDArray[np.int64]
    folded: bool = False

    def judged_factors(self, model: Any) -> tuple[Floats, Floats]:
        """Return factors (judged users, f) and (items, f) of a model that was fitted on `train`.

        If the part is `folded`, the users' factors are one exact half-step on their history.
        """
        X, Y = model._fitted()
        if self.folded:
            X = model.recalculate_user(np.arange(len(self.users)), self.history)
        return X, Y


def parts_of(
    protocol: str,
    user_items: Any,
    *,
    test_fraction: float | None = None,
    repeats: int = 1,
    folds: int = 5,
    random_state: RandomState = 0,
) -> Iterator[Part]:
    """Yield the parts of a protocol, one at a time.

    Parameters
    ----------
    protocol : str
        A name from `PROTOCOLS`.
    user_items : sparse matrix or array, shape (users, items)
    test_fraction : float in (0, 1), optional
        Share held out of the entries, or with `"strong"` both of the users and of their entries: by
        default 0.1 with `"random-rows"` (the lab's share) and 0.2 with `"per-user"` and `"strong"`.
        The other protocols take none.
    repeats : int
        Number of independent draws, at least 1; `"k-fold"` is repeated with other folds.
    folds : int
        Number of folds of `"k-fold"`, at least 2.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None

    Raises
    ------
    InputError
        The protocol is unknown, an argument is outside its range, or nothing can be held out.
    """
    if protocol not in PROTOCOLS:
        raise InputError(f"protocol must be one of {', '.join(PROTOCOLS)}, got {protocol!r}")
    if test_fraction is not None and protocol in ("leave-one-out", "k-fold", "ratio-curve"):
        raise InputError(f"test_fraction has no meaning with protocol {protocol!r}")
    share = fraction_of(0.1 if protocol == "random-rows" else 0.2)
    if test_fraction is not None:
        share = fraction_of(test_fraction)
    matrix = as_csr(user_items)
    whole_number("folds", folds, least=2)
    draws = range(whole_number("repeats", repeats, least=1))
    makers: dict[str, Callable[[np.random.Generator], Iterator[Part]]] = {
        "random-rows": lambda rng: _whole(random_rows(matrix, share, random_state=rng)),
        "per-user": lambda rng: _whole(per_user(matrix, share, random_state=rng)),
        "leave-one-out": lambda rng: _whole(leave_one_out(matrix, random_state=rng)),
        "strong": lambda rng: iter([strong_generalisation(matrix, share, share, random_state=rng)]),
        "k-fold": lambda rng: k_fold(matrix, folds, random_state=rng),
        "ratio-curve": lambda rng: ratio_curve(matrix, random_state=rng),
    }
    for draw, rng in zip(draws, generator(random_state).spawn(len(draws)), strict=True):
        for part in makers[protocol](rng):
            if part.test.nnz == 0:
                raise InputError(f"{protocol}: no user has enough entries to hold any of them out")
            label = " ".join(filter(None, [f"draw {draw + 1}" if repeats > 1 else "", part.label]))
            yield Part(label, part.train, part.history, part.test, part.users, part.folded)


def part_of(split: Split, label: str = "") -> Part:
    """Return a split of every user's entries as a part, in which the fitted users are evaluated."""
    return Part(label, split.train, split.train, split.test, np.arange(split.train.shape[0]))


def strong_generalisation(
    user_items: Any,
    user_fraction: float = 0.2,
    test_fraction: float = 0.2,
    *,
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
    held_out = np.sort(rng.permutation(able)[:number])
    fitted = np.ones(matrix.shape[0], bool)
    fitted[held_out] = False
    split = per_user(matrix[held_out], test_fraction, min_train=1, min_test=1, random_state=rng)
    return Part("", matrix[fitted], split.train, split.test, held_out, folded=True)


def k_fold(user_items: Any, folds: int = 5, *, random_state: RandomState) -> Iterator[Part]:
    """Yield `folds` parts in which every stored entry is held out exactly once.

    A user's entries go in random order to the folds in turn, beginning at a random fold. So each fold
    gets its share of every user, and users with few entries do not all miss the same folds.
    """
    matrix = as_csr(user_items)
    count = whole_number("folds", folds, least=2)
    rng = generator(random_state)
    first = rng.integers(count, size=matrix.shape[0])
    fold = (shuffled_places(matrix, rng) + np.repeat(first, np.diff(matrix.indptr))) % count
    for k in range(count):
        split = Split(entries_of(matrix, fold != k), entries_of(matrix, fold == k))
        yield part_of(split, f"fold {k + 1}")


def ratio_curve(
    user_items: Any, ratios: Sequence[float] = RATIOS, *, random_state: RandomState
) -> Iterator[Part]:
    """Yield a part for each held-out share of every user's entries, in the order of `ratios`.

    All parts use one random order of each user's entries, so a larger training part contains every
    smaller one, and along the curve only the amount of data changes. The held-out part grows as the
    training part shrinks, and with it all metrics that count hits: compare with the baselines.
    """
    matrix = as_csr(user_items)
    seed = int(generator(random_state).integers(2**63))
    for ratio in ratios:
        split = per_user(matrix, ratio, random_state=seed)
        yield part_of(split, f"{1 - fraction_of(ratio):.0%} to train")


def _whole(split: Split) -> Iterator[Part]:
    yield part_of(split)
