"""Fit and judge models by a protocol: the same parts for all, the baselines beside them, intervals.

Each model is fitted anew on every part. A user's value is the mean over the parts that judge this user,
and a model's the mean over users. Two kinds of chance are shown apart:

* the *interval* is a bootstrap over users, given the splits and the starts that were drawn;
* the *spread* is the standard deviation of the parts' means: what another draw of the split, and another
  start, do. It is 0 where there is one part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from halfstep.errors import InputError
from halfstep.evaluation.metrics.auc import lowest_negative_share, sampled_auc
from halfstep.evaluation.metrics.held_out import PerUser, evaluate
from halfstep.evaluation.metrics.intervals import bootstrap_intervals
from halfstep.evaluation.protocols.baselines import BASELINES
from halfstep.evaluation.protocols.parts import Part
from halfstep.evaluation.verdict import Verdict, paired_verdict
from halfstep.interruption import interrupted_at_once
from halfstep.solvers.base import Solver
from halfstep.types import Floats

MakeModel: TypeAlias = Callable[[], Solver]
SAMPLED, LOWEST = "auc sampled", "share above lowest train negative"


@dataclass(frozen=True)
class Summary:
    """A metric's mean over users, the bootstrap interval over them, the spread between the parts."""

    mean: float
    low: float
    high: float
    spread: float


@dataclass(frozen=True)
class Judged:
    """What one model got on one part.

    Attributes
    ----------
    part
        The part's label.
    users
        (judged,) rows of the original matrix.
    activity
        (judged,) how many entries of theirs were known.
    per_user
        By metric, (judged,).
    coverage
        By list length, the share of the catalogue that is recommended to somebody.
    """

    part: str
    users: npt.NDArray[np.int64]
    activity: npt.NDArray[np.int64]
    per_user: PerUser
    coverage: dict[int, float]


@dataclass(frozen=True)
class Validation:
    """All models' results on all parts; `judged[name]` holds one entry for each part."""

    judged: dict[str, list[Judged]]

    @property
    def parts(self) -> list[str]:
        """The parts' labels, in their order."""
        return [one.part for one in next(iter(self.judged.values()))]

    def part(self, label: str) -> Validation:
        """Return the results on one part alone."""
        return Validation(
            {name: [j for j in of if j.part == label] for name, of in self.judged.items()}
        )

    def user_means(self, model: str) -> tuple[npt.NDArray[np.int64], PerUser]:
        """Return the judged users (users,), and by metric the mean over their parts (users,)."""
        judged = self.judged[model]
        users = [j.users for j in judged]
        means: PerUser = {}
        for metric in judged[0].per_user:
            everybody, means[metric] = mean_by_user(users, [j.per_user[metric] for j in judged])
        return everybody, means

    def activity(self, model: str) -> npt.NDArray[np.int64]:
        """Return the number of known entries of the users of `user_means`, their parts' mean."""
        judged = self.judged[model]
        _, known = mean_by_user([j.users for j in judged], [j.activity for j in judged])
        return np.rint(known).astype(np.int64)

    def summaries(self, model: str, *, random_state: int = 0) -> dict[str, Summary]:
        """Return each metric's mean, interval and spread."""
        _, means = self.user_means(model)
        stack = np.stack(list(means.values()))
        bounds = bootstrap_intervals(stack, random_state=random_state)
        return {
            metric: Summary(
                mean=float(values.mean()),
                low=float(low),
                high=float(high),
                spread=_spread([float(j.per_user[metric].mean()) for j in self.judged[model]]),
            )
            for (metric, values), (low, high) in zip(means.items(), bounds, strict=True)
        }

    def coverage(self, model: str) -> dict[int, float]:
        """Return the share of the catalogue that is recommended to somebody, its mean over parts."""
        return {
            k: float(np.mean([j.coverage[k] for j in self.judged[model]]))
            for k in self.judged[model][0].coverage
        }

    def paired(self, a: str, b: str, metric: str, *, margin: float = 0.02) -> Verdict:
        """Return whether model a is better than b in `metric`, by the same users' differences.

        The interval is a bootstrap over users of a's value minus b's; `margin`, the difference that
        does not matter, is a share of b's mean.
        """
        values = [self.user_means(name)[1][metric] for name in (a, b)]
        size = margin * abs(float(values[1].mean()))
        return paired_verdict(*values, margin=size or np.finfo(float).tiny)


@interrupted_at_once()
def validate(
    models: Mapping[str, MakeModel],
    parts: Iterable[Part],
    *,
    ks: Iterable[int] = (10,),
    explain_auc: bool = False,
    random_state: int = 0,
    num_threads: int = 0,
    after: Callable[[str, str], Any] | None = None,
) -> Validation:
    """Fit every model on every part and judge it there, random and popularity scores first.

    Parameters
    ----------
    models
        By the name in the table, a function that returns a new unfitted model.
    parts
        As `halfstep.evaluation.protocols.parts.parts_of` yields them.
    ks
        List lengths; `halfstep.evaluation.metrics.held_out.evaluate` defines the metrics.
    explain_auc
        Add the two other statistics of `halfstep.evaluation.metrics.auc`, under the names `SAMPLED` and
        `LOWEST`; a user with nothing to compare with counts as 0.5.
    random_state
        Of the random baseline and of sampled negatives; models have their own.
    after
        Called as `after(part, model)` when one is judged.

    Raises
    ------
    InputError
        No part, a model called like a baseline, or what fitting and evaluating raise.
    """
    lengths = tuple(ks)
    for name in models:
        if name in BASELINES:
            raise InputError(f"models must not be called {' or '.join(BASELINES)}, got {name!r}")
    judged: dict[str, list[Judged]] = {name: [] for name in [*BASELINES, *models]}
    for part in parts:
        for name in judged:
            if name in BASELINES:
                factors = BASELINES[name](part.train, len(part.users), random_state)
            else:
                model = models[name]().fit(part.train, show_progress=False)
                factors = part.judged_factors(model)
            judged[name].append(
                _judge(part, factors, lengths, explain_auc, random_state, num_threads)
            )
            if after is not None:
                after(part.label, name)
    if not next(iter(judged.values())):
        raise InputError("parts must hold at least one part, got none")
    return Validation(judged)


def _judge(
    part: Part,
    factors: tuple[Floats, Floats],
    ks: tuple[int, ...],
    explain_auc: bool,
    seed: int,
    num_threads: int,
) -> Judged:
    X, Y = factors
    measured = evaluate(X, Y, part.history, part.test, ks=ks, num_threads=num_threads)
    per_user = dict(measured.per_user)
    if explain_auc:
        for name, statistic in ((SAMPLED, sampled_auc), (LOWEST, lowest_negative_share)):
            values = statistic(X, Y, part.history, part.test, random_state=seed)[measured.users]
            # As the exact AUC has it for a user without negatives.
            per_user[name] = np.where(np.isnan(values), 0.5, values)
    return Judged(
        part=part.label,
        users=part.users[measured.users],
        activity=np.diff(part.history.indptr)[measured.users].astype(np.int64),
        per_user=per_user,
        coverage=measured.coverage,
    )


def mean_by_user(
    users: Sequence[npt.NDArray[np.int64]], values: Sequence[npt.NDArray[Any]]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return each user once, and the mean of its values, from one array of either for each part."""
    everybody, place = np.unique(np.concatenate(users), return_inverse=True)
    return everybody, np.bincount(place, np.concatenate(values)) / np.bincount(place)


def _spread(means: list[float]) -> float:
    return float(np.std(means, ddof=1)) if len(means) > 1 else 0.0
