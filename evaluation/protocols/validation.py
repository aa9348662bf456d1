"""Fit and evaluate models by a protocol: all on the same parts, with baselines and intervals.

Each model is fitted anew on every part. A user's value is the mean over the parts that evaluate this
user, and a model's value is the mean over users. Two kinds of chance are reported separately:

* the *interval* is a bootstrap over users, given the splits and the starts that were drawn;
* the *spread* is the standard deviation of the parts' means, the effect of another draw of the split
  and of another start. It is 0 if there is one part.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from halfstep import defaults
from halfstep.errors import InputError
from halfstep.evaluation.metrics.held_out import PerUser
from halfstep.evaluation.metrics.intervals import bootstrap_intervals
from halfstep.evaluation.metrics.judged import Overlap
from halfstep.evaluation.protocols.baselines import (
    BASELINES,
    MEAN_FACTOR,
    baselines_of,
    mean_factors,
)
from halfstep.evaluation.protocols.part import Part
from halfstep.evaluation.protocols.part_result import PartResult, evaluated
from halfstep.evaluation.verdict import Verdict, paired_verdict
from halfstep.interruption import interrupted_at_once
from halfstep.plural import counted
from halfstep.progress import stage, wanted
from halfstep.solvers.base import Solver
from halfstep.types import Floats

MakeModel: TypeAlias = Callable[[], Solver]


@dataclass(frozen=True)
class Summary:
    """A metric's mean over users, its bootstrap interval over users, and its spread between parts."""

    mean: float
    low: float
    high: float
    spread: float


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
    user_features: Any = None,
    item_features: Any = None,
    without_features: Collection[str] = (),
    random_state: int = 0,
    num_threads: int = 0,
    after: Callable[[str, str], Any] | None = None,
) -> Validation:
    """Fit and evaluate every model on every part; random and popularity scores come first.

    On users of whom nothing is known, the last model's mean factor is between them: all users get the
    mean of the factors of those whom the model was fitted to.

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
        `LOWEST` of `halfstep.evaluation.protocols.part_result`; a user without negatives counts as 0.5.
    min_value, overlap
        Which held-out entries are relevant, and what to do with those in the history too, as in
        `halfstep.evaluation.metrics.held_out.evaluate`.
    user_features, item_features
        Features (users, p) and (items, q) of all users and items of the parts' matrix: fits get those of
        the users that they see, and users who are folded in get factors by theirs. The parts' own if
        None.
    without_features
        Names of models that get none of them.
    random_state
        Seed of the random baseline and of sampled negatives; models have their own seeds.
    after
        Called as `after(part, model)` when a model has been evaluated on a part.

    Returns
    -------
    Validation
        `summaries(name)` has each metric's mean, interval and spread, and `paired(a, b, metric)` says
        whether a is better than b.

    Raises
    ------
    InputError
        There is no part, a model has a baseline's name, or a fit or an evaluation raises it.

    See Also
    --------
    halfstep.evaluation.parts_of : Makes the parts.
    halfstep.evaluate : One model on one split.

    Examples
    --------
    >>> from halfstep import AlternatingLeastSquares, load_data
    >>> from halfstep.evaluation import parts_of, validate
    >>> plays = load_data("music-small").interactions
    >>> als = lambda: AlternatingLeastSquares(factors=8, iterations=2, confidence="log", random_state=0)
    >>> found = validate({"als": als}, parts_of("per-user", plays))
    >>> list(found.judged)
    ['random', 'popularity', 'als']
    >>> found.paired("als", "random", "ndcg@10").verdict
    'better'
    """
    lengths = tuple(ks)
    for name in models:
        if name in (*BASELINES, MEAN_FACTOR):
            raise InputError(
                f"models must not be called {', '.join(BASELINES)} or {MEAN_FACTOR}, got {name!r}"
            )
    results: dict[str, list[PartResult]] = {}
    how = {"min_value": min_value, "overlap": overlap}

    def judge(part: Part, name: str, factors: tuple[Floats, Floats]) -> None:
        ranked = f"ranking {part.ranked:,} items for {counted(len(part.users), 'users')}"
        with stage(f"{ranked} by {name}"):
            found = evaluated(part, factors, lengths, explain_auc, random_state, num_threads, **how)
            results[name].append(found)
        if after is not None:
            after(part.label, name)

    for one in parts:
        part = one.with_features(user_features, item_features)
        if not results:
            names = [*baselines_of(part.new_users and models), *models]
            results |= {name: [] for name in names}
        for name in BASELINES:
            judge(
                part, name, BASELINES[name](part.train, len(part.users), random_state, part.hashes)
            )
        for name in models:
            seen = part.without_features() if name in without_features else part
            given = seen.features_to_fit()
            model = models[name]().fit(part.train, show_progress=wanted(), **given)
            judge(part, name, seen.judged_factors(model))
        if MEAN_FACTOR in results:
            judge(part, MEAN_FACTOR, mean_factors(model, part.train, len(part.users)))
    if not results:
        raise InputError("parts must hold at least one part, got none")
    return Validation(results)


def mean_by_user(
    users: Sequence[npt.NDArray[np.int64]], values: Sequence[npt.NDArray[Any]]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return (the distinct users, the mean of each user's values) from one array of each per part."""
    distinct, place = np.unique(np.concatenate(users), return_inverse=True)
    return distinct, np.bincount(place, np.concatenate(values)) / np.bincount(place)


def _spread(means: list[float]) -> float:
    return float(np.std(means, ddof=1)) if len(means) > 1 else 0.0
