"""A scorer for scikit-learn's cross_val_score and GridSearchCV, whose folds are of whole users.

    grid = {"factors": [32, 64]}
    search = GridSearchCV(AlternatingLeastSquares(), grid, scoring=scorer("ndcg@10"), cv=3)
    search.fit(user_items)

The users of a test fold are unknown to the fit, so a part of each one's entries is hidden, the user is
folded in from the rest, and the hidden items are looked for in the ranking: the protocol that
`halfstep.evaluation.protocols.partitions` calls strong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from halfstep import defaults
from halfstep.errors import InputError
from halfstep.evaluation.metrics.held_out import evaluate
from halfstep.evaluation.protocols.early_stopping import list_length
from halfstep.evaluation.protocols.split import fraction_of, per_user
from halfstep.solvers.inputs import as_csr


@dataclass(frozen=True)
class Scorer:
    """Calling it with a fitted model and the users (rows) of a fold returns the mean of a metric.

    Attributes
    ----------
    metric, hide, random_state
        As in `scorer`.
    """

    metric: str
    hide: float
    random_state: int

    def __call__(self, model: Any, X: Any, y: Any = None) -> float:
        """Return the metric's mean over the users of X (users, items), a sparse matrix; y is ignored."""
        matrix = as_csr(X, "X")
        split = per_user(matrix, self.hide, min_test=1, random_state=self.random_state)
        if not split.test.nnz:
            raise InputError("no user of this fold has two entries, so none can be hidden")
        folded = model.recalculate_user(np.arange(matrix.shape[0]), split.train)
        length = list_length(self.metric) or defaults.LIST_LENGTH
        found = evaluate(folded, model.item_factors, split.train, split.test, ks=(length,))
        return found.means()[self.metric]


def scorer(
    metric: str = defaults.METRIC,
    *,
    hide: float = defaults.TEST_FRACTION,
    random_state: int = defaults.SEED,
) -> Scorer:
    """Return a function that scikit-learn takes as `scoring`; higher is better.

    Parameters
    ----------
    metric : str
        `auc`, or one of `precision`, `recall`, `recall_capped`, `ndcg`, `map` and `hit_rate` with
        `@` and the length of the list: see `halfstep.evaluation.evaluate`.
    hide : float in (0, 1)
        The share of each user's entries to hide and look for; at least one entry.
    random_state : int
        The seed of that draw.

    Returns
    -------
    Scorer
        Called as `scorer(model, X)` with a fitted model and a sparse matrix (users, items) of a test
        fold; returns the metric's mean over the users that have two entries or more.

    Raises
    ------
    InputError
        Another metric, or a share outside (0, 1).

    See Also
    --------
    halfstep.evaluation.tune : A search that shares work between its trials and ends poor ones early.
    halfstep.evaluation.parts_of : Its protocol "strong" holds out whole users too.

    Notes
    -----
    Marlin, "Collaborative filtering: a machine learning perspective", 2004, ch. 3.3 (strong
    generalisation).

    Examples
    --------
    >>> from sklearn.model_selection import cross_val_score
    >>> from halfstep import AlternatingLeastSquares, load_data
    >>> from halfstep.evaluation import scorer
    >>> plays = load_data("music-small").interactions[:200]
    >>> model = AlternatingLeastSquares(factors=8, iterations=2, confidence="log", random_state=0)
    >>> cross_val_score(model, plays, scoring=scorer("ndcg@10"), cv=2).shape
    (2,)
    """
    list_length(metric)
    fraction_of(hide)
    return Scorer(metric, hide, random_state)
