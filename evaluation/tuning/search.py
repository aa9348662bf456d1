"""Search for a solver's arguments on held-out entries: grid, random, or Optuna's TPE with pruning.

Every configuration is fitted and evaluated on the same parts, on the same users and from the same
start, so two configurations differ only in their arguments. A fit ends early when it stops improving,
and the number of iterations is part of the result.

Trials of `"tpe"` are raced on the first part. Successive halving keeps, of those that got to their third
iteration, the best third, and of these at the ninth again; it does not wait for others (Li et al., "A
system for massively parallel hyperparameter tuning", MLSys 2020). A trial ends too when the interval of
its paired difference with the best one excludes it: `halfstep.evaluation.tuning.race`.

The winner of many trials has also been lucky: its value on the validation part is too good, the more so
the more trials there were. Measure its quality once, on entries that no trial has seen.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from halfstep.errors import InputError
from halfstep.evaluation.metrics.inputs import whole_number
from halfstep.evaluation.tuning.race import Race
from halfstep.evaluation.tuning.space import Choice, Space, within
from halfstep.evaluation.tuning.store import (
    Trial,
    distributions,
    finished,
    open_study,
    record,
    space_of,
)
from halfstep.evaluation.tuning.trial import Tuner
from halfstep.interruption import interrupted_at_once

SEARCHES = ("grid", "random", "tpe")
DEFAULT_TRIALS = {"random": 12, "tpe": 40}
_FIRST_RUNG, _KEPT = 3, 3  # iterations; one of how many


@dataclass(frozen=True)
class Search:
    """A finished search.

    Attributes
    ----------
    metric, space
        The metric that was maximised, and the space that was searched.
    trials
        The trials in the order in which they ran.

    See Also
    --------
    halfstep.evaluation.tune : What returns it.
    halfstep.evaluation.plot_search : Draws it.

    Examples
    --------
    >>> from halfstep.evaluation import Choice, Search
    >>> search = Search("ndcg@10", {"factors": Choice((8, 16))}, trials=[])
    >>> search.complete
    []
    """

    metric: str
    space: Space
    trials: list[Trial]

    @property
    def complete(self) -> list[Trial]:
        """The trials that were not pruned, best first."""
        return sorted((t for t in self.trials if not t.pruned), key=lambda t: -t.value)

    @property
    def best(self) -> Trial:
        """The complete trial with the highest value."""
        if not self.complete:
            raise InputError("the search must have a complete trial, got none")
        return self.complete[0]

    @property
    def simplest(self) -> Trial:
        """The simplest trial within one standard error of the best.

        Simpler means fewer factors, then fewer iterations, then a lower alpha, then more
        regularisation. The standard error is the best trial's, over users: another sample of users
        could well reverse such a difference (Hastie, Tibshirani and Friedman, "The Elements of
        Statistical Learning", 2009, sec. 7.10).
        """
        near = [t for t in self.complete if t.value >= self.best.value - self.best.error]
        return min(near, key=_complexity)


def _complexity(trial: Trial) -> tuple[float, ...]:
    settings = trial.settings
    return (
        settings.get("factors", 0),
        trial.iterations,
        settings.get("alpha", 1.0),
        -settings.get("regularization", 0.0),
        -trial.value,
    )


def tune(
    tuner: Tuner,
    space: Space,
    *,
    search: str = "tpe",
    trials: int | None = None,
    seconds: float | None = None,
    expected: float = 0.0,
    first: Iterable[dict[str, Any]] = (),
    random: int = 10,
    store: Path | None = None,
    name: str | None = None,
    after: Callable[[Trial, int | None], Any] | None = None,
) -> Search:
    """Run a search, or the rest of a search that `store` holds.

    Parameters
    ----------
    tuner : Tuner
        What all trials share: the parts, the metric, the solver.
    space : dict of str to Choice or LogUniform
        The axes, by the names of a solver's arguments.
    search : str
        `"grid"`: all combinations in order; the space must consist of choices. `"random"`: random
        configurations, none twice in a space of choices. `"tpe"`: Optuna's TPE, raced.
    trials : int, optional
        Largest number of trials. None means the whole grid, 12 random trials or 40 TPE trials.
    seconds : float, optional
        Limit on the whole search: a trial begins only if, at the median duration of the trials before
        (`expected` seconds for the first), it would end in time. Time before an interruption counts.
    expected : float
        Seconds that the first trial is taken to need.
    first : iterable of dict
        Configurations that `"tpe"` tries first, if they are in `space`.
    random : int
        Number of trials, `first` included, before `"tpe"` begins to learn from them.
    store : Path, optional
        SQLite file that keeps the trials; trials of this search that it already holds are not repeated.
        It does not keep the users' values: the race begins anew with the first trial that runs.
    name : str, optional
        The search's name in the file; if None, a hash of its data and settings.
    after : callable, optional
        Called as `after(trial, total)` for each trial, including those from the file; total is None if
        only the time limits the search.

    Returns
    -------
    Search

    Raises
    ------
    InputError
        An argument is out of range, Optuna is missing, or the file is not a search's file.

    See Also
    --------
    halfstep.tune : A search for given seconds, in one call.
    halfstep.evaluation.Tuner : What all trials share.

    Examples
    --------
    >>> from halfstep import load_data
    >>> from halfstep.evaluation import Choice, Tuner, parts_of, tune
    >>> parts = list(parts_of("per-user", load_data("music-small").interactions))
    >>> tuner = Tuner(parts, fixed={"confidence": "log"}, iterations=2)
    >>> search = tune(tuner, {"factors": Choice((4, 8))}, search="grid")
    >>> len(search.trials), search.best.settings["factors"] in (4, 8)
    (2, True)
    """
    if search not in SEARCHES:
        raise InputError(f"search must be one of {', '.join(SEARCHES)}, got {search!r}")
    if trials is not None:
        whole_number("trials", trials, least=1)
    total = trials or DEFAULT_TRIALS.get(search)
    queue = list(first)
    if search != "tpe":
        queue = _grid(space)[:trials] if search == "grid" else _draws(space, total, tuner.seed)
        total = len(queue)
    known = name or tuner.name(search=search, space=space)
    race = Race() if search == "tpe" else None
    with open_study(store, known, space, None, _pruner(search)) as study:
        searched = space_of(study)
        done = finished(study)
        # The seed depends on the number of trials, so a resumed search does not repeat its draws.
        study.sampler = _sampler(tuner.seed + len(done), random)
        shown = None if seconds is not None and trials is None else total
        for trial in done:
            if after is not None:
                after(trial, shown)
        left = [p for p in queue if p not in [t.params for t in done] and within(searched, p)]
        spent = sum(t.seconds for t in done)
        begin = time.perf_counter() - spent
        failures = 0
        while len(done) < (total or math.inf) and (left or search == "tpe"):
            times = [t.seconds for t in done] or [expected]
            late = seconds is not None and time.perf_counter() - begin + np.median(times) > seconds
            if late or failures == 10:
                break
            fixed = left.pop(0) if left else None
            trial_done = _one(tuner, study, searched, fixed, race)
            if trial_done is None:
                failures += 1
                continue
            done.append(trial_done)
            if after is not None:
                after(trial_done, shown)
    return Search(tuner.metric, searched, done)


def _one(
    tuner: Tuner, study: Any, space: Space, fixed: dict[str, Any] | None, race: Race | None
) -> Trial | None:
    """Run and record one trial; return None if its numbers overflowed."""
    from optuna.trial import TrialState

    if fixed is not None:
        study.enqueue_trial(fixed, skip_if_exists=False)
    trial = study.ask(distributions(space))

    def prune(iterations: int, value: float) -> bool:
        trial.report(value, iterations)
        return bool(trial.should_prune())

    try:
        # Ctrl-C must raise here: a fit that it ended early would look like a finished trial.
        with interrupted_at_once():
            facts = tuner.run(trial.params, prune, race)
    except (FloatingPointError, OverflowError):
        study.tell(trial, state=TrialState.FAIL)
        return None
    except BaseException:  # including an interruption: the trial must run again
        study.tell(trial, state=TrialState.FAIL)
        raise
    record(trial, **facts)
    if facts["pruned"]:
        study.tell(trial, state=TrialState.PRUNED)
    else:
        study.tell(trial, facts["value"])
    return Trial(number=trial.number, params=dict(trial.params), **facts)


def _grid(space: Space) -> list[dict[str, Any]]:
    values = []
    for name, axis in space.items():
        if not isinstance(axis, Choice):
            raise InputError(f"search 'grid' needs a list of values of {name}, got a range")
        values.append(axis.values)
    return [dict(zip(space, chosen, strict=True)) for chosen in itertools.product(*values)]


def _draws(space: Space, number: int | None, seed: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    if all(isinstance(axis, Choice) for axis in space.values()):
        every = _grid(space)
        return [every[k] for k in rng.permutation(len(every))[:number]]
    return [
        {
            name: axis.values[rng.integers(len(axis.values))]
            if isinstance(axis, Choice)
            else float(np.exp(rng.uniform(np.log(axis.low), np.log(axis.high))))
            for name, axis in space.items()
        }
        for _ in range(number or 0)
    ]


def _sampler(seed: int, random: int) -> Any:
    from optuna.samplers import TPESampler

    # NumPy's RandomState takes 32 bits.
    return TPESampler(seed=seed % 2**32, multivariate=True, n_startup_trials=random)


def _pruner(search: str) -> Any:
    from optuna.pruners import NopPruner, SuccessiveHalvingPruner

    if search != "tpe":
        return NopPruner()
    return SuccessiveHalvingPruner(min_resource=_FIRST_RUNG, reduction_factor=_KEPT)
