"""Early stopping: a callback for any solver that ends the fit when held-out quality stops rising.

    stop = EarlyStopping(model, train, validation, metric="ndcg@20")
    model.fit(train, callback=stop)
    stop.iterations, stop.best

ALS lowers the objective with every iteration, but held-out quality often peaks after a few iterations,
above all with little regularisation. The number of iterations is chosen on the validation part, so the
metric there is slightly too good: evaluate the result on entries that had no part in the choice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from halfstep import defaults
from halfstep.errors import InputError
from halfstep.evaluation.metrics.held_out import evaluate
from halfstep.evaluation.metrics.inputs import Indices, whole_number
from halfstep.solvers.base import Solver
from halfstep.solvers.inputs import as_csr
from halfstep.types import Floats

METRICS = ("ndcg", "recall", "recall_capped", "precision", "map", "hit_rate")


class EarlyStopping:
    """Measure a metric after each iteration, end the fit when it stops rising, keep the best factors.

    Parameters
    ----------
    model
        The model whose `fit` gets this callback.
    train, test
        (users, items): the entries that are not recommended again, and the held-out entries.
    metric
        `"auc"`, or one of `METRICS` with a list length, as `"ndcg@20"`; higher is better.
    patience
        Iterations without a new best after which the fit ends, at least 1.
    users
        Rows to measure on; all rows with a held-out entry if None.
    items
        The only items to rank, such as a part's `candidates`; all if None.
    min_value
        The least value of a relevant held-out entry; above 0 if None.
    judged_factors
        Returns the factors (users, f) and (items, f) to measure; the factors of `model` if None.
    after
        Called as `after(iterations, value)` after each iteration; True ends the fit.
    num_threads
        Number of threads for the measurement; 0 means all cores.

    Attributes
    ----------
    history
        The metric after each iteration.
    iterations
        Number of iterations up to the best value, 0 before the first.
    best
        The best value.
    per_user
        (measured users,) the metric of each user at the best iteration, in the order of `judged_users`.
    judged_users
        (measured users,) the measured rows.

    Notes
    -----
    When the fit ends, by this callback or after its last iteration, the model gets the factors of the
    best iteration. An interrupted fit keeps the factors of its last iteration.
    """

    def __init__(
        self,
        model: Solver,
        train: Any,
        test: Any,
        *,
        metric: str = defaults.METRIC,
        patience: int = defaults.PATIENCE,
        users: Indices | None = None,
        items: Indices | None = None,
        min_value: float | None = None,
        judged_factors: Callable[[Solver], tuple[Floats, Floats]] | None = None,
        after: Callable[[int, float], bool] | None = None,
        num_threads: int = 0,
    ) -> None:
        self.model = model
        self.metric = metric
        self.history: list[float] = []
        self.iterations = 0
        self.best = -np.inf
        self.per_user: npt.NDArray[np.float64] = np.empty(0)
        self.judged_users: Indices = np.empty(0, np.int64)
        self._train, self._test = as_csr(train, "train"), as_csr(test, "test")
        self._k = list_length(metric)
        self._patience = whole_number("patience", patience, least=1)
        self._users, self._items = users, items
        self._after, self._num_threads = after, num_threads
        self._min_value = min_value
        self._judged_factors = judged_factors or (lambda model: model._fitted())
        self._kept: tuple[Floats, Floats] | None = None

    def __call__(self, iteration: int, seconds: float, loss: float | None) -> bool:
        """Measure the metric and return True to end the fit; `fit` calls this after each iteration."""
        X, Y = self._judged_factors(self.model)
        measured = evaluate(
            X,
            Y,
            self._train,
            self._test,
            ks=(self._k or 1,),
            auc=self._k is None,
            users=self._users,
            items=self._items,
            min_value=self._min_value,
            num_threads=self._num_threads,
        )
        values = measured.per_user[self.metric]
        value = float(values.mean())
        self.history.append(value)
        if value > self.best:
            self.best, self.iterations = value, len(self.history)
            self.per_user, self.judged_users = values, measured.users
            # Copies, because a solver may write its next iteration into the same arrays.
            X, Y = self.model._fitted()
            self._kept = X.copy(), Y.copy()
        requested = self._after is not None and self._after(len(self.history), value)
        ends = requested or len(self.history) - self.iterations >= self._patience
        if ends or len(self.history) == self.model.iterations:
            self._restore()
        return ends

    def _restore(self) -> None:
        if self._kept is not None and self.iterations < len(self.history):
            self.model.user_factors, self.model.item_factors = self._kept
        self._kept = None


def list_length(metric: str) -> int | None:
    """Return the k of `"ndcg@k"` and the like, or None for `"auc"`; raise InputError for others."""
    name, _, k = str(metric).partition("@")
    if metric == "auc":
        return None
    if name not in METRICS or not k.isdecimal() or int(k) < 1:
        raise InputError(
            f"metric must be auc, or one of {', '.join(METRICS)} with a list length, as ndcg@20, "
            f"got {metric!r}"
        )
    return int(k)
