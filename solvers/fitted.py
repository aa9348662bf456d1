"""What a model knows once it has factors: the two matrices, and what is derived from them once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from halfstep.errors import NotFitted
from halfstep.solvers.inputs import lengths, on_host
from halfstep.types import Floats

if TYPE_CHECKING:
    from typing_extensions import Self

    from halfstep.solvers.problem import Weights


class Fitted:
    """User factors (users, f), item factors (items, f), their Gramians and their lengths.

    What is derived is kept beside the array it came from: factors that are replaced, by a fit or by
    an assignment, are never answered for with what belonged to others. After writing *into* a factor
    matrix from outside, assign it again. What is assigned may lie on a device or belong to another
    library, as `halfstep.solvers.inputs` reads it.
    """

    user_factors: Floats | None
    item_factors: Floats | None
    _derived: Mapping[str, tuple[Floats, Floats]] = MappingProxyType({})

    @property
    def YtY(self) -> Floats:
        """Gramian of the item factors, (f, f)."""
        return self._of("YtY", self._fitted()[1], _gramian)

    @property
    def XtX(self) -> Floats:
        """Gramian of the user factors, (f, f)."""
        return self._of("XtX", self._fitted()[0], _gramian)

    @property
    def user_norms(self) -> Floats:
        """Length of each user's factors, (users,); 1 where they are zero."""
        return self._of("user_norms", self._fitted()[0], lengths)

    @property
    def item_norms(self) -> Floats:
        """Length of each item's factors, (items,); 1 where they are zero."""
        return self._of("item_norms", self._fitted()[1], lengths)

    def _of(self, what: str, factors: Floats, derive: Callable[[Floats], Floats]) -> Floats:
        # The mapping is replaced, never written to: threads at once at worst derive it twice.
        kept = self._derived.get(what)
        if kept is None or kept[0] is not factors:
            kept = (factors, derive(factors))
            self._derived = {**self._derived, what: kept}
        return kept[1]

    def _forget_derived(self, *what: str) -> None:
        """Forget what is named, or all."""
        self._derived = {k: v for k, v in self._derived.items() if what and k not in what}

    def _fitted(self) -> tuple[Floats, Floats]:
        """Return both factor matrices in the host's memory, where they stay if a caller's were not."""
        X: Any = self.user_factors
        Y: Any = self.item_factors
        if X is None or Y is None:
            raise NotFitted(f"{type(self).__name__} must be fitted first: it has no factors")
        if not (isinstance(X, np.ndarray) and isinstance(Y, np.ndarray)):
            X, Y = on_host(X, "user_factors"), on_host(Y, "item_factors")
            self.user_factors, self.item_factors = X, Y
        return X, Y

    def _weigh(self, matrix: sparse.csr_matrix) -> Weights:
        raise NotImplementedError

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_derived": {}}

    def __copy__(self) -> Self:
        # `partial_fit_users` writes into the factors: those of a copy must be its own.
        copy = type(self).__new__(type(self))
        copy.__dict__.update(self.__getstate__())
        for side in ("user_factors", "item_factors"):
            factors = getattr(self, side)
            setattr(copy, side, None if factors is None else on_host(factors, side).copy())
        copy.__dict__.update({k: v.copy() for k, v in self.__dict__.items() if type(v) is list})
        return copy


def _gramian(factors: Floats) -> Floats:
    gramian: Floats = factors.T @ factors
    return gramian
