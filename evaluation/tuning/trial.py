"""One trial of a search: fit and evaluate a configuration on every part."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from halfstep import defaults
from halfstep.errors import InputError
from halfstep.evaluation.metrics.inputs import Indices, whole_number
from halfstep.evaluation.metrics.intervals import standard_error
from halfstep.evaluation.metrics.judged import checked_value
from halfstep.evaluation.protocols.early_stopping import list_length
from halfstep.evaluation.protocols.part import Part
from halfstep.evaluation.protocols.validation import mean_by_user
from halfstep.evaluation.tuning.judge import Judge
from halfstep.evaluation.tuning.race import Measured, Race, fallen
from halfstep.evaluation.tuning.shared_weights import SharedWeights
from halfstep.evaluation.tuning.space import settings_of
from halfstep.evaluation.tuning.store import fingerprint
from halfstep.progress import wanted
from halfstep.solvers import make

JUDGED_USERS = 5000
_RULES = 2  # of what ends a trial: trials by other rules are another search's


@dataclass(frozen=True)
class Tuner:
    """Runs trials; all trials of a search share these settings.

    They also share what does not depend on a configuration: the drawn users with their entries, and
    the transposed weights of each part.

    Parameters
    ----------
    parts : sequence of Part
        The parts to fit and evaluate each trial on, as `halfstep.evaluation.parts_of` yields them; with
        the features of `Part.with_features`, if the search is of a model with features.
    metric : str
        What to maximise: `auc`, or `ndcg`, `precision`, `recall`, `recall_capped`, `map` or `hit_rate`
        with `@` and the length of the list.
    solver : str
        A name of `halfstep.SOLVERS`, or `"auto"`, `"cpu"` or `"gpu"`.
    fixed : dict, optional
        The solver's arguments that are not searched for.
    iterations : int
        Largest number of iterations.
    patience : int
        A fit ends after this many iterations without a new best value.
    users : int
        Largest number of users to evaluate in each part; they are drawn once, by their ids.
    seed : int
        Seed of the start, of the drawn users and of the search.
    num_threads : int
        Number of threads; 0 means all cores.
    min_value : float, optional
        The least value of a relevant held-out entry; above 0 if None.

    Raises
    ------
    InputError
        There is no part, the metric is not known, or a number is out of range.

    See Also
    --------
    halfstep.evaluation.tune : Runs a search with it.

    Examples
    --------
    >>> from halfstep import load_data
    >>> from halfstep.evaluation import Tuner, parts_of
    >>> parts = list(parts_of("per-user", load_data("music-small").interactions))
    >>> tuner = Tuner(parts, fixed={"confidence": "log"}, iterations=2, users=100)
    >>> facts = tuner.run({"factors": 4}, prune=lambda iterations, value: False)
    >>> facts["settings"], len(facts["curve"])
    ({'confidence': 'log', 'factors': 4}, 2)
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
        """Return the name of a search by this tuner, a hash of the data and the settings.

        Parameters
        ----------
        **more
            What else distinguishes the search, such as its space.

        See Also
        --------
        halfstep.evaluation.tune : Finds the trials of this search in a file by it.
        """
        names = self.__dataclass_fields__.keys() - {"parts", "num_threads"}
        settings = {name: getattr(self, name) for name in sorted(names)}
        return fingerprint(self.parts, **settings, rules=_RULES, **more)

    @cached_property
    def shared(self) -> list[tuple[Judge, SharedWeights]]:
        """For each part what its trials share."""
        judging = self.metric, self.users, self.seed, self.min_value, self.num_threads
        return [(Judge(part, *judging), SharedWeights()) for part in self.parts]

    def with_fixed(self, fixed: dict[str, Any]) -> Tuner:
        """Return a tuner with other fixed arguments, which shares what these trials share.

        Parameters
        ----------
        fixed : dict
            A solver's arguments.

        See Also
        --------
        run : Runs a trial with them.
        """
        from dataclasses import replace

        other = replace(self, fixed=fixed)
        vars(other)["shared"] = self.shared
        return other

    def judged_users(self, part: Part) -> Indices:
        """Return the rows of a part on which trials are evaluated: users with a history, if any has.

        Parameters
        ----------
        part : Part
            One of `parts`.

        Returns
        -------
        rows : int64 array, shape (judged,)

        See Also
        --------
        run : Evaluates on these users.
        """
        place = next(k for k, one in enumerate(self.parts) if one is part)
        return self.shared[place][0].rows

    def run(
        self,
        params: dict[str, Any],
        prune: Callable[[int, float], bool],
        race: Race | None = None,
    ) -> dict[str, Any]:
        """Fit and evaluate one configuration; return the facts of a `Trial`.

        Parameters
        ----------
        params : dict
            A choice from the space.
        prune : callable
            Called as `prune(iterations, value)` after each iteration on the first part; True ends the
            trial.
        race : Race, optional
            The race that the trial takes part in, on the first part; a trial that runs to its end may
            take the lead.

        Returns
        -------
        dict
            The fields of a `halfstep.evaluation.tuning.store.Trial` but `number` and `params`.

        See Also
        --------
        halfstep.evaluation.tune : Runs one trial after the other.
        """
        begin = time.perf_counter()
        settings = (self.fixed or {}) | settings_of(params, self.parts[0].train)
        curves: list[_Curve] = []
        steps: list[float] = []
        for place, (part, (judge, weights)) in enumerate(zip(self.parts, self.shared, strict=True)):
            model = make(
                self.solver,
                **settings,
                iterations=self.iterations,
                random_state=self.seed + place,
                num_threads=self.num_threads,
            )
            weights.serve(model)
            first = place == 0
            curve = _Curve(
                model, judge, self.patience, race if first else None, prune if first else None
            )
            model.fit(part.train, show_progress=wanted(), callback=curve, **part.features_to_fit())
            curves.append(curve)
            steps += model.seconds_
            if curve.pruned:
                break
        pruned = curves[0].pruned
        if race is not None and not pruned:
            race.enter(curves[0].measured, curves[0].peak)
        _, values = mean_by_user(
            [p.users[c.judge.rows] for p, c in zip(self.parts, curves, strict=False)],
            [c.best.values for c in curves],
        )
        return {
            "settings": settings,
            "pruned": pruned,
            "value": float(values.mean()),
            "error": standard_error(values),
            "iterations": math.ceil(float(np.median([c.peak for c in curves]))),
            "seconds": time.perf_counter() - begin,
            "fit_seconds": float(np.median(steps)),
            "curve": [m.mean for m in curves[0].measured],
        }


class _Curve:
    """A callback: measures a fit after each iteration, and ends it when it is past its peak or has lost.

    No factors are kept: a search's winner is fitted anew.
    """

    def __init__(
        self,
        model: Any,
        judge: Judge,
        patience: int,
        race: Race | None,
        prune: Callable[[int, float], bool] | None,
    ) -> None:
        self.judge, self.measured, self.peak, self.pruned = judge, list[Measured](), 0, False
        self._model, self._patience, self._race, self._prune = model, patience, race, prune

    @property
    def best(self) -> Measured:
        """The best iteration so far."""
        return self.measured[self.peak - 1]

    def __call__(self, iteration: int, seconds: float, loss: float | None) -> bool:
        """Return True to end the fit; `fit` calls this after each iteration."""
        judge, done, race = self.judge, len(self.measured) + 1, self._race
        if race is None:
            everybody = np.ones(len(judge.rows), bool)
            now = Measured(judge.measure(self._model, everybody), whole=True)
        else:
            now = race.measured(judge.sample, lambda mask: judge.measure(self._model, mask))
        self.measured.append(now)
        if self.peak == 0 or now.mean > self.best.mean:
            self.peak = done
        # `prune` first: it notes the value.
        self.pruned = self._prune is not None and self._prune(done, now.mean)
        self.pruned |= race is not None and race.behind(done, self.best, judge.sample)
        past = done - self.peak >= self._patience
        if race is not None and done > self.peak:
            past |= fallen(now, self.best, judge.sample)
        return self.pruned or past
