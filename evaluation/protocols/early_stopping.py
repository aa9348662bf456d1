"""Stop a fit when it gets no better on held-out entries: a callback that every solver takes.

    stop = EarlyStopping(model, train, validation, metric="ndcg@20")
    model.fit(train, callback=stop)
    stop.iterations, stop.best

ALS lowers the objective with every iteration, but held-out quality often has its best after a few, with
little regularisation above all. The number of iterations is chosen on the validation part, so its value
there is a little too good: judge the result on entries that had no part in the choice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from halfstep.errors import InputError
from halfstep.evaluation.metrics.held_out import evaluate
from halfstep.evaluation.metrics.inputs import Indices, whole_number
from halfstep.solvers.base import Solver
from halfstep.solvers.inputs import as_csr
from halfstep.types import Floats

METRICS = ("ndcg", "recall", "recall_capped", "precision", "map", "hit_rate")


class EarlyStopping:
    """Measure a metric after each iteration, end the fit when it no longer rises, keep the best factors.

    Parameters
    ----------
    model
        The model whose `fit` this is the callback of.
    train, test
        (users, items): what the fit sees, whose entries are not recommended, and what is held out.
    metric
        `"auc"`, or one of `METRICS` with a list length, as `"ndcg@20"`; higher is better.
    patience
        Iterations without a new best after which the fit ends, at least 1.
    users
        Rows to measure on; all that have a held-out entry if None.
    judged_factors
        Returns the factors (users, f) and (items, f) to measure; the model's own if None.
    after
        Called as `after(iterations, value)` after each iteration; True ends the fit.
    num_threads
        Threads that measure; 0 means all cores.

    Attributes
    ----------
    history
        The metric after each iteration.
    iterations
        How many iterations the best value took, 0 before the first.
    best
        That value.
    per_user
        (measured users,) its values, in the order of `judged_users`.
    judged_users
        (measured users,) their rows.

    Notes
    -----
    When the fit ends, by this callback or after its last iteration, the model holds the factors of the
    best iteration. An interrupted fit keeps those of its last.
    """

    def __init__(
        self,
        model: Solver,
        train: Any,
        test: Any,
        *,
        metric: str = "ndcg@20",
        patience: int = 2,
        users: Indices | None = None,
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
        self._users, self._after, self._num_threads = users, after, num_threads
        self._judged_factors = judged_factors or (lambda model: model._fitted())
        self._kept: tuple[Floats, Floats] | None = None

    def __call__(self, iteration: int, seconds: float, loss: float | None) -> bool:
        """Measure, and return whether the fit shall end; a fit's callback."""
        X, Y = self._judged_factors(self.model)
        measured = evaluate(
            X,
            Y,
            self._train,
            self._test,
            ks=(self._k or 1,),
            auc=self._k is None,
            users=self._users,
            num_threads=self._num_threads,
        )
        values = measured.per_user[self.metric]
        value = float(values.mean())
        self.history.append(value)
        if value > self.best:
            self.best, self.iterations = value, len(self.history)
            self.per_user, self.judged_users = values, measured.users
            # Copies: a solver may write its next iteration into the same arrays.
            X, Y = self.model._fitted()
            self._kept = X.copy(), Y.copy()
        asked = self._after is not None and self._after(len(self.history), value)
        ends = asked or len(self.history) - self.iterations >= self._patience
        if ends or len(self.history) == self.model.iterations:
            self._restore()
        return ends

    def _restore(self) -> None:
        if self._kept is not None and self.iterations < len(self.history):
            self.model.user_factors, self.model.item_factors = self._kept
        self._kept = None


def list_length(metric: str) -> int | None:
    """Return the k of `"ndcg@k"` and its like, None for `"auc"`; InputError for anything else."""
    name, _, k = metric.partition("@")
    if metric == "auc":
        return None
    if name not in METRICS or not k.isdecimal() or int(k) < 1:
        raise InputError(
            f"metric must be auc, or one of {', '.join(METRICS)} with a list length, as ndcg@20, "
            f"got {metric!r}"
        )
    return int(k)
