"""Search for a solver's arguments on held-out entries: grid, random, or Optuna's TPE with pruning.

Every configuration is fitted and judged on the same parts, by the same users, from the same start, so
that two of them differ in nothing but their arguments. A fit ends early when it gets no better, and the
number of iterations is part of the result. With `"tpe"`, a configuration whose curve on the first part
is below the median of those before it, from the fourth iteration on, is given up.

The winner of many trials has also been lucky: its value on the validation part is too good, the more so
the more trials there were. What it is worth must be measured once, on entries that no trial has seen.
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


@dataclass(frozen=True)
class Search:
    """A finished search.

    Attributes
    ----------
    metric, space
        What was maximised, and over what.
    trials
        In the order in which they were run.
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

        Simpler is fewer factors, then fewer iterations, then a lower alpha, then more regularisation.
        The standard error is the best trial's, over users: a difference that another sample of users
        might well have turned round (Hastie, Tibshirani and Friedman, "The Elements of Statistical
        Learning", 2009, sec. 7.10).
        """
        near = [t for t in self.complete if t.value >= self.best.value - self.best.error]
        return min(near, key=_complexity)


def _complexity(trial: Trial) -> tuple[float, ...]:
    of = trial.settings
    return (
        of.get("factors", 0),
        trial.iterations,
        of.get("alpha", 1.0),
        -of.get("regularization", 0.0),
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
    startup: int = 5,
    store: Path | None = None,
    name: str | None = None,
    after: Callable[[Trial, int | None], Any] | None = None,
) -> Search:
    """Run a search, or what is left of it.

    Parameters
    ----------
    search
        `"grid"`: all combinations, in order, and a space of choices alone. `"random"`: independent
        draws, none twice. `"tpe"`: Optuna's, with median pruning.
    trials
        How many at most: of a grid all, otherwise 12 random or 40 TPE ones if None.
    seconds
        Begin no trial that, taking as long as the median of those before it (`expected` seconds before
        the first), would end later than this. Time that was spent before an interruption counts.
    first
        Configurations that `"tpe"` begins with, those outside `space` left out.
    startup
        Complete trials before which `"tpe"` prunes none.
    store
        SQLite file to keep trials in, and to take those from that it already holds of this search.
    name
        The search's name in the file; its data and settings decide if None.
    after
        Called as `after(trial, total)` for each trial, also those that the file held; total is None
        where time alone decides.

    Raises
    ------
    InputError
        A bad argument, Optuna missing, or a file of something else.
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
    with open_study(store, known, space, _sampler(tuner.seed), _pruner(search, startup)) as study:
        searched = space_of(study)
        done = finished(study)
        # Seeded anew on every opening, but not so that it would repeat itself.
        study.sampler = _sampler(tuner.seed + len(done))
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
            trial_done = _one(tuner, study, searched, fixed, prunes=search == "tpe")
            if trial_done is None:
                failures += 1
                continue
            done.append(trial_done)
            if after is not None:
                after(trial_done, shown)
    return Search(tuner.metric, searched, done)


def _one(
    tuner: Tuner, study: Any, space: Space, fixed: dict[str, Any] | None, *, prunes: bool
) -> Trial | None:
    """Run one trial and write it down; None where its numbers ran out of range."""
    from optuna.trial import TrialState

    if fixed is not None:
        study.enqueue_trial(fixed, skip_if_exists=False)
    trial = study.ask(distributions(space))

    def prune(iterations: int, value: float) -> bool:
        trial.report(value, iterations)
        return prunes and bool(trial.should_prune())

    try:
        # A fit that Ctrl-C ended early would look like a finished trial.
        with interrupted_at_once():
            facts = tuner.run(trial.params, prune)
    except (FloatingPointError, OverflowError):
        study.tell(trial, state=TrialState.FAIL)
        return None
    except BaseException:  # an interruption too: the trial is to be run again
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
            raise InputError(
                f"search 'grid' must have values of {name} to choose from, got a range"
            )
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


def _sampler(seed: int) -> Any:
    from optuna.samplers import TPESampler

    return TPESampler(seed=seed % 2**32, multivariate=True)  # numpy's older generators take no more


def _pruner(search: str, startup: int) -> Any:
    from optuna.pruners import MedianPruner, NopPruner

    return (
        MedianPruner(n_startup_trials=startup, n_warmup_steps=4) if search == "tpe" else NopPruner()
    )
