"""The default search: in a given time, the best model that ALS can give on data it has never seen.

What makes a good ALS model, and what it costs, are different things. The weights of background and
regularisation decide, and good ones at few factors are nearly good at many; an iteration at 1,024
factors costs a hundred times one at 64. So the search climbs:

| stage | factors | share of the time | what it tries |
| --- | --- | --- | --- |
| 1 | 64 | 25 % | the whole space of `halfstep.evaluation.tuning.space.als_space` |
| 2 | 256 | 25 % | the neighbourhood of the best of stage 1 |
| 3 | 1,024, or as many as the time allows | the rest | the best of stage 2, then their neighbourhood |

Each trial ends by early stopping, so that the number of iterations comes with it. The best trial of all
stages, not of the last alone, is the result: on small data few factors are best.

Only the training part is used: a tenth of each user's entries is held out from it for the choice.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from scipy.sparse import csr_matrix

from halfstep.errors import InputError
from halfstep.evaluation.protocols.parts import part_of
from halfstep.evaluation.protocols.split import per_user
from halfstep.evaluation.tuning.search import Search, tune
from halfstep.evaluation.tuning.space import als_space, narrowed
from halfstep.evaluation.tuning.store import Trial
from halfstep.evaluation.tuning.trial import Tuner

MAX_FACTORS = 1024
VALIDATION = 0.1
_SMALL = 64
_SHARES = (0.25, 0.25)
_NEIGHBOURS = 5  # the best trials of a stage, about which the next one looks
_STAGE_TRIALS = 150


@dataclass(frozen=True)
class Climb:
    """The searches of all stages by their number of factors, and the best trial of them all."""

    stages: dict[int, Search]

    @property
    def best(self) -> Trial:
        """The best trial; all stages are judged by the same users on the same split."""
        return max((s.best for s in self.stages.values() if s.complete), key=lambda t: t.value)

    @property
    def together(self) -> Search:
        """All trials as one search, with the factors among what was searched."""
        searches = list(self.stages.values())
        trials = [t for s in searches for t in s.trials]
        return Search(searches[0].metric, searches[0].space, trials)


def climb(
    train: csr_matrix,
    *,
    budget: float,
    metric: str = "ndcg@20",
    solver: str = "auto",
    max_factors: int = MAX_FACTORS,
    iterations: int = 20,
    store: Path | None = None,
    seed: int = 0,
    num_threads: int = 0,
    after: Callable[[int, Trial], Any] | None = None,
) -> Climb:
    """Search for about `budget` seconds, less what a last fit of the winner on all of `train` takes.

    Parameters
    ----------
    train : csr_matrix, shape (users, items)
        The training part. A tenth of each user's entries is held out from it here.
    budget
        Seconds, at least 1; also of what trials in `store` took.
    max_factors
        Of the last stage; never more than there are users or items.
    after
        Called as `after(factors, trial)` for each trial.

    Raises
    ------
    InputError
        A bad argument, no user with enough entries, or no trial that ended.
    """
    if not budget >= 1:
        raise InputError(f"budget must be at least 1 second, got {budget}")
    begin = time.perf_counter()
    split = per_user(train, VALIDATION, random_state=seed)
    if split.test.nnz == 0:
        raise InputError("no user has enough entries to hold any of them out for the choice")
    common = Tuner(
        [part_of(split)], metric, solver, None, iterations, 2, seed=seed, num_threads=num_threads
    )
    judged = len(common.judged_users(common.parts[0])) / max(1, common.parts[0].test.shape[0])
    name = common.name(max_factors=max_factors)
    whole, sizes = als_space(split.train), _sizes(min(max_factors, *train.shape))
    found: dict[int, Search] = {}
    used = time.perf_counter() - begin
    for stage, size in enumerate(sizes):
        last = stage == len(sizes) - 1
        near = list(found.values())[-1].complete[:_NEIGHBOURS] if found else []
        share = budget - used if last else budget * _SHARES[stage]
        if near and last:
            size = _affordable(near[0], size, share, judged)
            share -= _last_fit(near[0], size, judged)
        if near and size <= near[0].settings["factors"]:
            break
        begin = time.perf_counter()
        search = tune(
            replace(common, fixed={"factors": size}),
            narrowed(whole, [t.params for t in near]) if near else whole,
            trials=_STAGE_TRIALS,
            seconds=share,
            expected=_trial(near[0], size) if near else 0.0,
            first=[t.params for t in near],
            startup=1 if near and last else 5,
            store=store,
            name=f"{name} factors {size}",
            after=None if after is None else partial(_told, after, size),
        )
        # Trials that the store held have taken their time before this call.
        used += max(time.perf_counter() - begin, sum(t.seconds for t in search.trials))
        if search.complete:
            found[size] = search
    if not found:
        raise InputError(f"budget must allow one trial at least, got {budget:g} s")
    return Climb(found)


def _told(
    after: Callable[[int, Trial], Any], factors: int, trial: Trial, total: int | None
) -> None:
    after(factors, trial)


def _sizes(top: int) -> list[int]:
    """Return the stages' numbers of factors, ending at `top`."""
    small = min(_SMALL, top)
    middle = round(math.sqrt(small * top))
    return sorted({small, middle, top} if top >= 4 * small else {small, top})


def _affordable(trial: Trial, top: int, seconds: float, judged: float) -> int:
    """Return the most factors, up to `top`, for which two trials and the last fit fit the time."""
    for half_steps in itertools.count():
        size = int(top / 2 ** (half_steps / 2)) // 8 * 8 if half_steps else top
        enough = 2 * _trial(trial, size) + _last_fit(trial, size, judged) <= seconds
        if enough or size <= trial.settings["factors"]:
            break
    return size


def _trial(trial: Trial, factors: int) -> float:
    """Return the seconds that a trial with more factors will take."""
    fit, judge = _costs(trial, factors)
    return len(trial.curve) * (fit + judge)


def _last_fit(trial: Trial, factors: int, judged: float) -> float:
    """Return the seconds for a fit on all entries and its judgement by all users."""
    fit, judge = _costs(trial, factors)
    return 1.2 * trial.iterations * fit + judge / max(judged, 0.01)


def _costs(trial: Trial, factors: int) -> tuple[float, float]:
    """Return the seconds of an iteration and of its judgement: f^2 and f at most, in this range."""
    ratio = factors / trial.settings["factors"]
    judge = trial.seconds / len(trial.curve) - trial.fit_seconds
    return trial.fit_seconds * ratio**2, max(judge, 0.0) * ratio
