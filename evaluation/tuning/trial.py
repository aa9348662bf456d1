"""One trial of a search: fit and evaluate a configuration on every part."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from halfstep import defaults
from halfstep.errors import InputError
from halfstep.evaluation.metrics.inputs import Indices, whole_number
from halfstep.evaluation.metrics.intervals import standard_error
from halfstep.evaluation.metrics.judged import checked_value, judged
from halfstep.evaluation.protocols.draws import chosen_users
from halfstep.evaluation.protocols.early_stopping import EarlyStopping, list_length
from halfstep.evaluation.protocols.partitions import Part
from halfstep.evaluation.protocols.validation import mean_by_user
from halfstep.evaluation.tuning.space import settings_of
from halfstep.evaluation.tuning.store import fingerprint
from halfstep.progress import wanted
from halfstep.solvers import make

JUDGED_USERS = 5000


@dataclass(frozen=True)
class Tuner:
    """Runs trials; all trials of a search share these settings.

    Parameters
    ----------
    parts
        The parts to fit and evaluate each trial on, as `halfstep.evaluation.parts_of` yields them.
    metric, patience
        See `halfstep.evaluation.protocols.early_stopping`.
    solver, fixed
        The solver, and its arguments that are not searched for.
    iterations
        Largest number of iterations.
    users
        Largest number of users to evaluate in each part; they are drawn once, by their ids.
    seed
        Seed of the start, of the drawn users and of the search.
    min_value
        The least value of a relevant held-out entry; above 0 if None.
    """

    parts: Sequence[Part]
    metric: str = defaults.METRIC
    solver: str = "auto"
    fixed: dict[str, Any] | None = None
    iterations: int = defaults.MOST_ITERATIONS
    patience: int = defaults.PATIENCE
    users: int = JUDGED_USERS
    seed: int = 0
    num_threads: int = 0
    min_value: float | None = None

    def __post_init__(self) -> None:
        list_length(self.metric)
        whole_number("iterations", self.iterations, least=1)
        whole_number("patience", self.patience, least=1)
        whole_number("users", self.users, least=1)
        checked_value(self.min_value)
        if not self.parts:
            raise InputError("parts must hold at least one part, got none")

    def name(self, **more: Any) -> str:
        """Return the name of a search by this tuner, a hash of the data and the settings."""
        settings = {k: v for k, v in vars(self).items() if k not in ("parts", "num_threads")}
        return fingerprint(self.parts, **settings, **more)

    def judged_users(self, part: Part) -> Indices:
        """Return the rows of a part on which trials are evaluated: users with a history, if any has."""
        relevant = judged(part.history, part.test, self.min_value)
        held_out = np.diff(relevant.held_out.indptr) > 0
        known = held_out & relevant.has_history
        able: Indices = np.flatnonzero(known if known.any() else held_out).astype(np.int64)
        return chosen_users(able, self.users, part.hashes.users, self.seed)

    def run(self, params: dict[str, Any], prune: Callable[[int, float], bool]) -> dict[str, Any]:
        """Fit and evaluate one configuration; return the facts of a `Trial`.

        `prune(iterations, value)` is called after each iteration on the first part; True ends the trial.
        """
        begin = time.perf_counter()
        settings = (self.fixed or {}) | settings_of(params, self.parts[0].train)
        stops: list[EarlyStopping] = []
        steps: list[float] = []
        for place, part in enumerate(self.parts):
            pruned = False

            def after(iterations: int, value: float) -> bool:
                nonlocal pruned
                pruned = place == 0 and prune(iterations, value)  # noqa: B023
                return pruned

            model = make(
                self.solver,
                **settings,
                iterations=self.iterations,
                random_state=self.seed + place,
                num_threads=self.num_threads,
            )
            stop = EarlyStopping(
                model,
                part.history,
                part.test,
                metric=self.metric,
                patience=self.patience,
                users=self.judged_users(part),
                min_value=self.min_value,
                judged_factors=part.judged_factors,
                after=after,
                num_threads=self.num_threads,
            )
            model.fit(part.train, show_progress=wanted(), callback=stop)
            stops.append(stop)
            steps += model.seconds_
            if pruned:
                break
        _, values = mean_by_user(
            [p.users[s.judged_users] for p, s in zip(self.parts, stops, strict=False)],
            [s.per_user for s in stops],
        )
        return {
            "settings": settings,
            "pruned": pruned,
            "value": float(values.mean()),
            "error": standard_error(values),
            "iterations": math.ceil(float(np.median([s.iterations for s in stops]))),
            "seconds": time.perf_counter() - begin,
            "fit_seconds": float(np.median(steps)),
            "curve": stops[0].history,
        }
