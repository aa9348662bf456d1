"""What a search's trials are evaluated on, prepared once: some users of a part with their entries."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from halfstep.evaluation.metrics.held_out import evaluate
from halfstep.evaluation.metrics.inputs import Indices
from halfstep.evaluation.metrics.judged import judged
from halfstep.evaluation.protocols.draws import chosen_users
from halfstep.evaluation.protocols.early_stopping import list_length
from halfstep.evaluation.protocols.part import Part

SAMPLE = 1000


class Judge:
    """Measures a metric on drawn users of a part.

    Parameters
    ----------
    users
        Largest number of users; they are drawn by their ids, from those with a history if any has one.

    Attributes
    ----------
    rows
        (users,) rows of the part's `history` and `test`, ascending.
    sample
        (users,) who of them is measured first in a race: 1,000, or all.
    """

    def __init__(
        self, part: Part, metric: str, users: int, seed: int, min_value: float | None, threads: int
    ) -> None:
        relevant = judged(part.history, part.test, min_value)
        held_out = np.diff(relevant.held_out.indptr) > 0
        known = held_out & relevant.has_history
        able: Indices = np.flatnonzero(known if known.any() else held_out).astype(np.int64)
        self.rows = chosen_users(able, users, part.hashes.users, seed)
        drawn = chosen_users(self.rows, SAMPLE, part.hashes.users, seed)
        self.sample: npt.NDArray[np.bool_] = np.isin(self.rows, drawn)
        self.part, self._metric, self._min_value, self._threads = part, metric, min_value, threads
        # Matrices of a few users are checked for common entries far faster, after each iteration.
        self._matrices: dict[bytes, tuple[Indices, Any, Any]] = {}

    def measure(self, model: Any, chosen: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        """Return the metric of the users in the mask `chosen`, (users,) of `rows`."""
        X, Y = self.part.judged_factors(model)
        rows, history, test = self._of(chosen)
        k = list_length(self._metric)
        measured = evaluate(
            X[rows], Y, history, test, ks=(k or 1,), auc=k is None, items=self.part.candidates,
            min_value=self._min_value, num_threads=self._threads,
        )  # fmt: skip
        values: npt.NDArray[np.float64] = measured.per_user[self._metric]
        return values

    def _of(self, chosen: npt.NDArray[np.bool_]) -> tuple[Indices, Any, Any]:
        key = chosen.tobytes()
        if key not in self._matrices:
            rows = self.rows[chosen]
            self._matrices[key] = rows, self.part.history[rows], self.part.test[rows]
        return self._matrices[key]
