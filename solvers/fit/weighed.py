"""What a solver makes of a matrix: both sides' weights, with the pulls of attributes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy.typing as npt
from scipy import sparse

from halfstep.solvers.features.in_fit import Given, given_to, of_fitted, taken_features, with_pulls
from halfstep.solvers.fit import weighing
from halfstep.solvers.fit.transform import Transform
from halfstep.solvers.fit.weights import transposed_weights
from halfstep.solvers.objective import objective
from halfstep.solvers.problem import Weights
from halfstep.types import Floats


class Weighed:
    """A solver's weights of a matrix; `halfstep.solvers.fit.weighing` names what they depend on."""

    transform: str | None
    bm25_k1: float
    bm25_b: float
    confidence: str
    alpha: float
    epsilon: float
    background: float | None
    regularization: float
    regularization_exponent: float
    dtype: npt.DTypeLike
    num_threads: int
    _transform: Transform | None
    _plain: bool
    _transform_of_fit: Transform | None
    _given: Given  # attributes, during a fit with such
    _fitted: Callable[[], tuple[Floats, Floats]]

    def weights(
        self, matrix: sparse.csr_matrix, user_features: Any = None, item_features: Any = None
    ) -> tuple[Weights, Weights]:
        """Return the users' and the items' weights for a canonical CSR matrix (users, items).

        With attributes, as for `fit`, they have the pulls to the prior means of the model's W and V, or
        to zero if it has none.

        Parameters
        ----------
        matrix
            (users, items), with its indices sorted and without duplicates.
        user_features, item_features
            (users, p) and (items, q), as for `fit`.

        See Also
        --------
        halfstep.Solver.half_step : Solves a side of these weights, with the other side's factors fixed.
        """
        transform = weighing.transform_of(self, matrix)
        transformed = weighing.transformed_by(self, matrix, transform)
        with given_to(self, taken_features(self, matrix, user_features, item_features)):
            sides = self._weights(transformed)
            of_fitted(self)
        return sides

    def _weights(self, transformed: sparse.csr_matrix) -> tuple[Weights, Weights]:
        users = weighing.weigh_by(self, transformed)
        regularization = self.regularization, self.regularization_exponent
        items = transposed_weights(users, *regularization, int(self.num_threads))
        return with_pulls(self, users, items) if self._given else (users, items)

    def _sides(self, transformed: sparse.csr_matrix) -> Any:
        """Return the two sides as `_alternate` takes them: `_weights`, or a copy on a device."""
        return self._weights(transformed)

    def _weigh(
        self, matrix: sparse.csr_matrix, side: str = "user", dtype: npt.DTypeLike | None = None
    ) -> Weights:
        transform = weighing.fitted_transform(self)
        transformed = weighing.transformed_by(self, matrix, transform, side, dtype)
        return weighing.weigh_by(self, transformed, dtype)

    def _loss(self, sides: Any) -> float:
        """Return the float64 objective of the model's factors; `sides` is the result of `_sides`."""
        users, items = sides
        return objective(users, items, *self._fitted())
