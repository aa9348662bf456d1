"""A part of a protocol: the matrices, and the features of the rows, of one fit and its evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix, issparse

from halfstep.errors import InputError
from halfstep.evaluation.metrics.inputs import Indices
from halfstep.evaluation.protocols.draws import IdHashes, hashed
from halfstep.evaluation.protocols.split import Split
from halfstep.types import Floats


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
    ids : IdHashes, optional
        Of the evaluated users and of all items, for draws that follow ids; of their numbers if None.
    fitted : int64 array, shape (fitted users,), optional
        Row of the original matrix for each row of `train`; `users` if None.
    candidates : int64 array, shape (candidates,), optional
        The only items that are ranked, ascending; all items if None.
    user_features, item_features : matrix, shape (users, p) or (items, q), optional
        Features of the rows and columns of the original matrix: see `with_features`.
    """

    label: str
    train: csr_matrix
    history: csr_matrix
    test: csr_matrix
    users: npt.NDArray[np.int64]
    folded: bool = False
    ids: IdHashes | None = None
    fitted: npt.NDArray[np.int64] | None = None
    candidates: npt.NDArray[np.int64] | None = None
    user_features: Any = None
    item_features: Any = None

    @property
    def hashes(self) -> IdHashes:
        """The `ids`, or else the hashes of `users` and of the numbers of columns."""
        return self.ids or hashed(self.history.shape, self.users)

    @property
    def new_users(self) -> bool:
        """Whether nothing is known of the evaluated users but their features, if there are any."""
        return self.folded and self.history.nnz == 0

    @property
    def ranked(self) -> int:
        """The number of items that are ranked."""
        return self.train.shape[1] if self.candidates is None else len(self.candidates)

    def with_features(self, user_features: Any = None, item_features: Any = None) -> Part:
        """Return this part with features for its fit and its fold-in; None keeps what it has.

        Parameters
        ----------
        user_features, item_features : sparse matrix or array, shape (users, p) or (items, q)
            A row for each user and each item of the original matrix, of which this is a part; or an
            object whose `matrix` is one.

        Raises
        ------
        InputError
            There are not as many rows as users or items.
        """
        if user_features is not None and self.folded and self.fitted is None:
            raise InputError("user_features need the rows that were fitted, and the part has none")
        users = len(self.users) + (len(self.fitted) if self.fitted is not None else 0)
        given = {
            name: _checked(name, features, count)
            for name, features, count in (
                ("user_features", user_features, users),
                ("item_features", item_features, self.train.shape[1]),
            )
            if features is not None
        }
        return replace(self, **given) if given else self

    def without_features(self) -> Part:
        """Return this part without any features."""
        return replace(self, user_features=None, item_features=None)

    def features_to_fit(self) -> dict[str, Any]:
        """Return a fit's arguments `user_features` (fitted users, p) and `item_features` (items, q).

        Those that were not given are left out, so that a model without such arguments can be fitted.
        """
        fitted = self.users if self.fitted is None else self.fitted
        given: dict[str, Any] = {}
        if self.user_features is not None:
            given["user_features"] = _chosen(self.user_features, fitted)
        if self.item_features is not None:
            given["item_features"] = self.item_features
        return given

    def judged_factors(self, model: Any) -> tuple[Floats, Floats]:
        """Return factors (judged users, f) and (items, f) of a model that was fitted on `train`.

        If the part is `folded`, the users' factors are one exact half-step on their history and their
        features. Users and items without an entry in `train` get what their features say, as they do at
        the end of a fit; this may be called during the fit too, by its callback.
        """
        with _current(model):
            X, Y = model._fitted()
            if self.item_features is not None:
                cold = self._without_entries[1]
                Y = _replaced(Y, cold, self.item_features, cold, model.item_feature_factors)
            if self.new_users and self.user_features is not None:
                rows = np.arange(len(self.users))
                X = np.empty((len(rows), Y.shape[1]), Y.dtype)
                X = _replaced(X, rows, self.user_features, self.users, model.user_feature_factors)
            elif self.folded:
                known = {}
                if self.user_features is not None:
                    known["user_features"] = _chosen(self.user_features, self.users)
                X = model.recalculate_user(np.arange(len(self.users)), self.history, **known)
            elif self.user_features is not None:
                cold = self._without_entries[0]
                of = self.users[cold]
                X = _replaced(X, cold, self.user_features, of, model.user_feature_factors)
        return X, Y

    @cached_property
    def _without_entries(self) -> tuple[Indices, Indices]:
        """The rows and the columns of `train` in which nothing is stored."""
        items = np.bincount(self.train.indices, minlength=self.train.shape[1])
        users = np.diff(self.train.indptr)
        return np.flatnonzero(users == 0), np.flatnonzero(items == 0)


def part_of(split: Split, label: str = "", *, user_ids: Any = None, item_ids: Any = None) -> Part:
    """Return a split of every user's entries as a part, in which the fitted users are evaluated.

    The ids (users,) and (items,) are those of later draws, such as of the random scores.
    """
    ids = hashed(split.train.shape, user_ids, item_ids)
    users = np.arange(split.train.shape[0])
    return Part(label, split.train, split.train, split.test, users, ids=ids)


class _Encoded(NamedTuple):
    """Features with what encoded them, as a fit takes both."""

    matrix: Any
    encoder: Any


def _checked(name: str, features: Any, count: int) -> Any:
    matrix, encoder = getattr(features, "matrix", features), getattr(features, "encoder", None)
    rows = csr_matrix(matrix) if issparse(matrix) else np.asarray(matrix)
    if rows.ndim != 2 or rows.shape[0] != count:
        raise InputError(f"{name} must have a row for each of {count}, got shape {rows.shape}")
    return rows if encoder is None else _Encoded(rows, encoder)


def _chosen(features: Any, rows: Indices) -> Any:
    if isinstance(features, _Encoded):
        return features._replace(matrix=features.matrix[rows])
    return features[rows]


def _replaced(factors: Floats, rows: Indices, features: Any, of: Indices, weights: Any) -> Floats:
    """Return a copy of factors (n, f) that has in `rows` the prior means of the features in rows `of`.

    `weights` are a model's factors of the features, (p, f).
    """
    if rows.size == 0:
        return factors
    copied = np.array(factors)
    copied[rows] = getattr(features, "matrix", features)[of] @ np.asarray(weights)
    return copied


@contextmanager
def _current(model: Any) -> Iterator[None]:
    """Let a model have the factors of features that its fit has come to, as it has the others."""
    priors = getattr(model, "_priors", {})
    before = {f"{side}_feature_factors": prior.W for side, prior in priors.items()}
    for name, W in before.items():
        before[name] = getattr(model, name)
        setattr(model, name, W)
    try:
        yield
    finally:
        for name, W in before.items():
            setattr(model, name, W)
