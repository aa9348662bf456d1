"""Fit and evaluate models by a protocol: all on the same parts, with baselines and intervals.

Each model is fitted anew on every part. A user's value is the mean over the parts that evaluate this
user, and a model's value is the mean over users. Two kinds of chance are reported separately:

* the *interval* is a bootstrap over users, given the splits and the starts that were drawn;
* the *spread* is the standard deviation of the parts' means, the effect of another draw of the split
  and of another start. It is 0 if there is one part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from halfstep import defaults
from halfstep.errors import InputError
from halfstep.evaluation.metrics.auc import lowest_negative_share, sampled_auc
from halfstep.evaluation.metrics.held_out import Evaluation, PerUser, evaluate
from halfstep.evaluation.metrics.intervals import bootstrap_intervals
from halfstep.evaluation.metrics.judged import Overlap, judged
from halfstep.evaluation.protocols.baselines import BASELINES
from halfstep.evaluation.protocols.partitions import Part
from halfstep.evaluation.verdict import Verdict, paired_verdict
from halfstep.interruption import interrupted_at_once
from halfstep.plural import counted
from halfstep.progress import stage, wanted
from halfstep.solvers.base import Solver
from halfstep.types import Floats

MakeModel: TypeAlias = Callable[[], Solver]
SAMPLED, LOWEST = "auc sampled", "share above lowest train negative"


@dataclass(frozen=True)
class Summary:
    """A metric's mean over users, its bootstrap interval over users, and its spread between parts."""

    mean: float
    low: float
    high: float
    spread: float


@dataclass(frozen=True)
class PartResult:
    """The metrics of one model on one part.

    Attributes
    ----------
    part
        The part's label.
    users
        (users,) the evaluated rows of the original matrix.
    activity
        (users,) number of known entries of each user.
    per_user
        For each metric, its values (users,).
    coverage
        For each list length, the share of the catalogue that is recommended to at least one user.
    without_history
        The rows and metrics of users without an entry in the history, who are not among `users`; None if
        there are none.
    not_relevant
        Held-out entries that were left out of the ranking because of their value.
    beyond, gini
        The lists beside their accuracy; see `halfstep.evaluation.metrics.held_out.Evaluation`.
    """

    part: str
    users: npt.NDArray[np.int64]
    activity: npt.NDArray[np.int64]
    per_user: PerUser
    coverage: dict[int, float]
    without_history: tuple[npt.NDArray[np.int64], PerUser] | None = None
    not_relevant: int = 0
    beyond: PerUser = field(default_factory=dict)
    gini: dict[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Newcomers:
    """The users without history in some part: their number, and each model's means over them."""

    users: int
    means: dict[str, dict[str, float]]


@dataclass(frozen=True)
class Validation:
    """All models' results on all parts; `judged[name]` holds one result for each part."""

    judged: dict[str, list[PartResult]]

    @property
    def parts(self) -> list[str]:
        """The parts' labels, in their order."""
        return [result.part for result in next(iter(self.judged.values()))]

    def part(self, label: str) -> Validation:
        """Return the results on one part alone."""
        return Validation(
            {name: [r for r in rows if r.part == label] for name, rows in self.judged.items()}
        )

    def user_means(self, model: str) -> tuple[npt.NDArray[np.int64], PerUser]:
        """Return the evaluated users (users,), and for each metric their means over parts (users,)."""
        results = self.judged[model]
        rows = [r.users for r in results]
        means: PerUser = {}
        for metric in results[0].per_user:
            users, means[metric] = mean_by_user(rows, [r.per_user[metric] for r in results])
        return users, means

    def activity(self, model: str) -> npt.NDArray[np.int64]:
        """Return the number of known entries, the mean over parts, of each user of `user_means`."""
        results = self.judged[model]
        _, known = mean_by_user([r.users for r in results], [r.activity for r in results])
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
                spread=_spread([float(r.per_user[metric].mean()) for r in self.judged[model]]),
            )
            for (metric, values), (low, high) in zip(means.items(), bounds, strict=True)
        }

    @property
    def without_history(self) -> Newcomers | None:
        """Those whom a part judges without any entry in their history, apart from all other numbers."""
        users, means = 0, {}
        for name, results in self.judged.items():
            found = [r.without_history for r in results if r.without_history is not None]
            if not found:
                return None
            rows = [of for of, _ in found]
            means[name] = {
                metric: float(mean_by_user(rows, [of[metric] for _, of in found])[1].mean())
                for metric in found[0][1]
            }
            users = len(np.unique(np.concatenate(rows)))
        return Newcomers(users, means)

    @property
    def not_relevant(self) -> int:
        """Held-out entries of all parts that were left out of the ranking because of their value."""
        return sum(result.not_relevant for result in next(iter(self.judged.values())))

    def coverage(self, model: str) -> dict[int, float]:
        """Return the coverage of the catalogue for each list length, the mean over parts."""
        return {
            k: float(np.mean([r.coverage[k] for r in self.judged[model]]))
            for k in self.judged[model][0].coverage
        }

    def paired(self, a: str, b: str, metric: str, *, margin: float = 0.02) -> Verdict:
        """Return the verdict about model a compared with model b in `metric`.

        The interval is a bootstrap over users of a's value minus b's. `margin` is the difference that
        does not matter, as a share of b's mean.
        """
        values = [self.user_means(name)[1][metric] for name in (a, b)]
        size = margin * abs(float(values[1].mean()))
        return paired_verdict(*values, margin=size or np.finfo(float).tiny)


@interrupted_at_once()
def validate(
    models: Mapping[str, MakeModel],
    parts: Iterable[Part],
    *,
    ks: Iterable[int] = (defaults.LIST_LENGTH,),
    explain_auc: bool = False,
    min_value: float | None = None,
    overlap: Overlap = "error",
    random_state: int = 0,
    num_threads: int = 0,
    after: Callable[[str, str], Any] | None = None,
) -> Validation:
    """Fit and evaluate every model on every part; random and popularity scores come first.

    Parameters
    ----------
    models
        For each name in the table, a function that returns a new unfitted model.
    parts
        As `halfstep.evaluation.protocols.partitions.parts_of` yields them.
    ks
        List lengths; `halfstep.evaluation.metrics.held_out.evaluate` defines the metrics.
    explain_auc
        Add the two other statistics of `halfstep.evaluation.metrics.auc`, under the names `SAMPLED` and
        `LOWEST`; a user without negatives counts as 0.5.
    min_value, overlap
        Which held-out entries are relevant, and what to do with those in the history too, as in
        `halfstep.evaluation.metrics.held_out.evaluate`.
    random_state
        Seed of the random baseline and of sampled negatives; models have their own seeds.
    after
        Called as `after(part, model)` when a model has been evaluated on a part.

    Raises
    ------
    InputError
        There is no part, a model has a baseline's name, or a fit or an evaluation raises it.
    """
    lengths = tuple(ks)
    for name in models:
        if name in BASELINES:
            raise InputError(f"models must not be called {' or '.join(BASELINES)}, got {name!r}")
    results: dict[str, list[PartResult]] = {name: [] for name in [*BASELINES, *models]}
    for part in parts:
        for name in results:
            if name in BASELINES:
                factors = BASELINES[name](part.train, len(part.users), random_state, part.hashes)
            else:
                model = models[name]().fit(part.train, show_progress=wanted())
                factors = part.judged_factors(model)
            how = {"min_value": min_value, "overlap": overlap}
            ranked = (
                f"ranking {part.train.shape[1]:,} items for {counted(len(part.users), 'users')}"
            )
            with stage(f"{ranked} by {name}"):
                results[name].append(
                    _evaluated(
                        part, factors, lengths, explain_auc, random_state, num_threads, **how
                    )
                )
            if after is not None:
                after(part.label, name)
    if not next(iter(results.values())):
        raise InputError("parts must hold at least one part, got none")
    return Validation(results)


def _evaluated(
    part: Part,
    factors: tuple[Floats, Floats],
    ks: tuple[int, ...],
    explain_auc: bool,
    seed: int,
    num_threads: int,
    **how: Any,
) -> PartResult:
    X, Y = factors
    measured = evaluate(
        X, Y, part.history, part.test, ks=ks, num_threads=num_threads, beyond=part.train, **how
    )
    others = measured.without_history
    explained: PerUser = {}
    if explain_auc:
        relevant = judged(part.history, part.test, **how)
        for name, statistic, seen in (
            (SAMPLED, sampled_auc, relevant.left_out),
            (LOWEST, lowest_negative_share, part.history),
        ):
            values = statistic(
                X, Y, seen, relevant.held_out, user_ids=part.hashes, random_state=seed
            )
            # The exact AUC is also 0.5 for a user without negatives.
            explained[name] = np.where(np.isnan(values), 0.5, values)

    def of(found: Evaluation) -> PerUser:
        return found.per_user | {name: values[found.users] for name, values in explained.items()}

    return PartResult(
        part=part.label,
        users=part.users[measured.users],
        activity=np.diff(part.history.indptr)[measured.users].astype(np.int64),
        per_user=of(measured),
        coverage=measured.coverage,
        without_history=None if others is None else (part.users[others.users], of(others)),
        not_relevant=measured.not_relevant,
        beyond=measured.beyond,
        gini=measured.gini,
    )


def mean_by_user(
    users: Sequence[npt.NDArray[np.int64]], values: Sequence[npt.NDArray[Any]]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return (the distinct users, the mean of each user's values) from one array of each per part."""
    distinct, place = np.unique(np.concatenate(users), return_inverse=True)
    return distinct, np.bincount(place, np.concatenate(values)) / np.bincount(place)


def _spread(means: list[float]) -> float:
    return float(np.std(means, ddof=1)) if len(means) > 1 else 0.0
