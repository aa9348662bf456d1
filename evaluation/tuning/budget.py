"""The default search: find the best ALS model for new data in a given time.

The quality of an ALS model depends most on the background weight and the regularisation, and good
values at few factors are nearly good at many. But an iteration at 1,024 factors costs a hundred times
an iteration at 64. So the search climbs from few factors to many:

| stage | factors | share of the time | what it tries |
| --- | --- | --- | --- |
| 1 | 64 | 15 % | the whole space of `halfstep.evaluation.tuning.space.als_space` |
| 2 | 256 | 20 % | the neighbourhood of the best trials of stage 1 |
| 3 | 1,024, or as many as the time allows | the rest | stage 2's best trials, their neighbourhood |

Within a stage trials are raced: `halfstep.evaluation.tuning.search`. Early stopping ends each trial, and
so chooses the number of iterations. The result is the best trial of all stages, not only of the last: on
small data few factors are best.

A budget in seconds ends where the machine's speed lets it. A number of trials gives the same search
wherever it runs: so many in stage 1, and a quarter as many, but at least two, in each that follows.

Only the training part is used: a tenth of each user's entries is held out from it for the choice, unless
another part of it is given.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from scipy.sparse import csr_matrix

from halfstep import defaults
from halfstep.errors import InputError
from halfstep.evaluation.metrics.inputs import whole_number
from halfstep.evaluation.protocols.draws import hashed
from halfstep.evaluation.protocols.part import Part, part_of
from halfstep.evaluation.protocols.split import per_user
from halfstep.evaluation.tuning.search import Search, tune
from halfstep.evaluation.tuning.space import als_space, narrowed
from halfstep.evaluation.tuning.store import Trial
from halfstep.evaluation.tuning.trial import Tuner

MAX_FACTORS = 1024
VALIDATION = 0.1
_SMALL = 64
_SHARES = (0.15, 0.2)
_NEIGHBOURS = 5  # number of best trials of a stage around which the next stage searches
_STAGE_TRIALS = 150
_RANDOM = 10  # trials before the first stage learns from them
_FEWER, _FEWEST = 4, 2  # trials of a stage: one of how many of the stage before, and at least


@dataclass(frozen=True)
class Climb:
    """The searches of all stages, by their number of factors."""

    stages: dict[int, Search]

    @property
    def best(self) -> Trial:
        """The best trial of all stages, which share the split and the evaluated users."""
        return max((s.best for s in self.stages.values() if s.complete), key=lambda t: t.value)

    @property
    def together(self) -> Search:
        """All trials as one search, in which the number of factors varies too."""
        searches = list(self.stages.values())
        trials = [t for s in searches for t in s.trials]
        return Search(searches[0].metric, searches[0].space, trials)


def climb(
    train: csr_matrix,
    *,
    budget: float | None = None,
    trials: int | None = None,
    metric: str = defaults.METRIC,
    solver: str = "auto",
    part: Part | None = None,
    user_ids: Any = None,
    item_ids: Any = None,
    user_features: Any = None,
    item_features: Any = None,
    min_value: float | None = None,
    max_factors: int = MAX_FACTORS,
    iterations: int = defaults.MOST_ITERATIONS,
    store: Path | None = None,
    seed: int = 0,
    num_threads: int = 0,
    after: Callable[[int, Trial], Any] | None = None,
) -> Climb:
    """Search for about `budget` seconds, less the time of a last fit of the winner on all of `train`.

    Without a budget, a number of trials limits the search; with both, what is reached first.

    Parameters
    ----------
    train : csr_matrix, shape (users, items)
        The training part. This function holds out a tenth of each user's entries from it for the choice.
    budget
        Seconds, at least 1; includes the seconds of trials that `store` already holds.
    trials
        Largest number of trials of the first stage, at least 1; 150 if None.
    part
        What to choose by in place of these, such as a part of `train` by `"new-items"`.
    user_features, item_features
        Features (users, p) and (items, q) for all fits: the search chooses `feature_regularization` too.
        The part's own if None.
    user_ids, item_ids
        The ids, (users,) and (items,), that draws follow; the numbers of rows and columns by default.
    min_value
        The least value of a relevant held-out entry; above 0 if None.
    max_factors
        Number of factors of the last stage, limited by the numbers of users and items.
    after
        Called as `after(factors, trial)` for each trial.

    Raises
    ------
    InputError
        An argument is out of range, no user has enough entries, or no trial ended in time.
    """
    if budget is None and trials is None:
        raise InputError("budget or trials must say how long to search, got neither")
    if budget is not None and not budget >= 1:
        raise InputError(f"budget must be at least 1 second, got {budget}")
    most = _STAGE_TRIALS if trials is None else whole_number("trials", trials, least=1)
    begin = time.perf_counter()
    if part is None:
        ids = hashed(train.shape, user_ids, item_ids)
        part = part_of(per_user(train, VALIDATION, user_ids=ids, random_state=seed), user_ids=ids)
    if part.test.nnz == 0:
        raise InputError("no user has enough entries to hold any of them out for the choice")
    part = part.with_features(user_features, item_features)
    common = Tuner(
        [part], metric, solver, None, iterations, 2, seed=seed, num_threads=num_threads,
        min_value=min_value,
    )  # fmt: skip
    evaluated = len(common.judged_users(part)) / max(1, part.test.shape[0])
    name = common.name(max_factors=max_factors)
    whole = als_space(part.train, features=bool(part.features_to_fit()))
    sizes = _sizes(min(max_factors, *train.shape))
    stages: dict[int, Search] = {}
    used = time.perf_counter() - begin
    for stage, size in enumerate(sizes):
        last = stage == len(sizes) - 1
        near = list(stages.values())[-1].complete[:_NEIGHBOURS] if stages else []
        share = None
        if budget is not None:
            share = budget - used if last else budget * _SHARES[stage]
            if near and last:
                size = _affordable(near[0], size, share, evaluated)
                share -= _last_fit(near[0], size, evaluated)
        if near and size <= near[0].settings["factors"]:
            break
        begin = time.perf_counter()
        search = tune(
            common.with_fixed({"factors": size}),
            narrowed(whole, [t.params for t in near]) if near else whole,
            trials=most,
            seconds=share,
            expected=_trial(near[0], size) if near else 0.0,
            first=[t.params for t in near],
            random=len(near) or _RANDOM,
            store=store,
            name=f"{name} factors {size}",
            after=None if after is None else partial(_with_factors, after, size),
        )
        if trials is not None:
            most = max(_FEWEST, most // _FEWER)
        # Trials from the store took their time before this call.
        used += max(time.perf_counter() - begin, sum(t.seconds for t in search.trials))
        if search.complete:
            stages[size] = search
    if not stages:
        got = f"{trials} trials" if budget is None else f"{budget:g} s"
        raise InputError(f"budget must allow at least one trial that ends, got {got}")
    return Climb(stages)


def _with_factors(
    after: Callable[[int, Trial], Any], factors: int, trial: Trial, total: int | None
) -> None:
    after(factors, trial)


def _sizes(top: int) -> list[int]:
    """Return the numbers of factors of the stages, ascending to `top`."""
    small = min(_SMALL, top)
    middle = round(math.sqrt(small * top))
    return sorted({small, middle, top} if top >= 4 * small else {small, top})


def _affordable(trial: Trial, top: int, seconds: float, evaluated: float) -> int:
    """Return the largest number of factors up to `top` that allows two trials and a last fit."""
    for halvings in itertools.count():
        size = int(top / 2 ** (halvings / 2)) // 8 * 8 if halvings else top
        enough = 2 * _trial(trial, size) + _last_fit(trial, size, evaluated) <= seconds
        if enough or size <= trial.settings["factors"]:
            break
    return size


def _trial(trial: Trial, factors: int) -> float:
    """Return the seconds that `trial` would take with this number of factors."""
    fit, evaluation = _costs(trial, factors)
    return len(trial.curve) * (fit + evaluation)


def _last_fit(trial: Trial, factors: int, evaluated: float) -> float:
    """Return the seconds of a fit on all entries and its evaluation on all users.

    `evaluated` is the share of the users on whom trials are evaluated. The factor 2 is a guess: a trial
    measures many of its iterations on a sample of them, and without the AUC.
    """
    fit, evaluation = _costs(trial, factors)
    return 1.2 * trial.iterations * fit + 2 * evaluation / max(evaluated, 0.01)


def _costs(trial: Trial, factors: int) -> tuple[float, float]:
    """Return the seconds of an iteration and of its evaluation, which grow at most as f^2 and f here."""
    ratio = factors / trial.settings["factors"]
    evaluation = trial.seconds / len(trial.curve) - trial.fit_seconds
    return trial.fit_seconds * ratio**2, max(evaluation, 0.0) * ratio
