"""The verdict on a cell: its fits' ratios, pooled over the seeds, and the bars that it meets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from halfstep.bench.method.check import METRICS
from halfstep.bench.method.ratios import mean_ratios
from halfstep.bench.method.spread import Interval
from halfstep.bench.quality.fits import Fit
from halfstep.bench.quality.plan import Weighting
from halfstep.bench.quality.record import Bar, QualityCell, Standing
from halfstep.evaluation.metrics.held_out import Evaluation

FIT_TIME, OBJECTIVE, NDCG = "fit time", "objective", "NDCG@10"


def pool(
    fits: Mapping[str, Sequence[Fit]], exact: str, relaxed: str, seed: int
) -> dict[str, Standing]:
    """Return the contestants' objectives and held-out quality over the same seeds.

    The bootstrap draws a user with the metrics of that user in every split: several splits do not make
    more users.
    """
    found = {name: Standing(name) for name in fits}
    for name, standing in found.items():
        standing.to_exact = _over(fits[name], fits[exact])
        standing.to_relaxed = _over(fits[name], fits[relaxed])
    for metric in METRICS:
        values = summed({name: [fit.evaluation for fit in of] for name, of in fits.items()}, metric)
        rows = np.vstack(list(values.values()))
        to_exact = mean_ratios(rows, values[exact], seed)
        to_relaxed = mean_ratios(rows, values[relaxed], seed)
        for (name, standing), first, second in zip(
            found.items(), to_exact, to_relaxed, strict=True
        ):
            standing.quality[metric] = float(
                np.concatenate(
                    [f.evaluation.per_user[metric] for f in fits[name] if f.evaluation]
                ).mean()
            )
            if first is not None:
                standing.ratios[metric] = first
            if second is not None:
                standing.relaxed_ratios[metric] = second
    return found


def summed(
    evaluations: Mapping[str, Sequence[Evaluation | None]], metric: str
) -> dict[str, npt.NDArray[np.float64]]:
    """Return a metric's sum over the splits, (users,) for each contestant.

    The users are those who are evaluated in at least one split, in ascending order.
    """
    parts = [e for of in evaluations.values() for e in of if e is not None]
    users = np.unique(np.concatenate([e.users for e in parts]))
    totals = {}
    for name, of in evaluations.items():
        totals[name] = np.zeros(len(users))
        for evaluation in of:
            if evaluation is not None:
                places = np.searchsorted(users, evaluation.users)
                totals[name][places] += evaluation.per_user[metric]
    return totals


def overfitting(exact: Sequence[Fit], seed: int) -> Interval | None:
    """Return NDCG@10 of exact ALS at the end over its NDCG@10 after five iterations, or None."""
    both = [fit for fit in exact if fit.early is not None and fit.evaluation is not None]
    if not both:
        return None
    values = summed(
        {"late": [f.evaluation for f in both], "early": [f.early for f in both]}, METRICS[0]
    )
    return mean_ratios(values["late"][None], values["early"], seed)[0]


def bars(cell: QualityCell, weighting: Weighting, solver: str, peers: tuple[str, str]) -> list[Bar]:
    """Return the cell's bars, and whether `solver` meets them."""
    standing = cell.standing(solver) or Standing(solver)
    found = [
        _at_most(OBJECTIVE, weighting.objective, max(standing.to_relaxed, default=None)),
    ]
    ratio = standing.relaxed_ratios.get(METRICS[0])
    low = None if ratio is None else ratio.low
    found.append(Bar(NDCG, weighting.ndcg, low, None if low is None else low >= weighting.ndcg))
    if weighting.fit_time is not None:
        fit_time = None if standing.fit_time is None else standing.fit_time.median
        found.append(_at_most(FIT_TIME, weighting.fit_time, fit_time))
    if weighting.sooner is not None and cell.factors in weighting.sooner_at:
        found += [
            _sooner(f"sooner than {peer}", weighting.sooner, cell.standing(peer), cell, standing)
            for peer in peers
        ]
    return found


def never(standing: Standing, cell: QualityCell) -> bool:
    """Whether a contestant took twice the cell's iterations without reaching the target."""
    return standing.iterations_to_target is None and standing.checked >= 2 * cell.iterations


def _sooner(
    name: str, limit: float, peer: Standing | None, cell: QualityCell, ours: Standing
) -> Bar:
    if ours.iterations_to_target is None:
        return Bar(name, limit, None, False)
    if peer is not None and never(peer, cell):
        return Bar(name, limit, None, True)
    if peer is None or peer.sooner is None:
        return Bar(name, limit, None, None)
    return Bar(name, limit, peer.sooner.median, peer.sooner.median >= limit)


def _at_most(name: str, limit: float, value: float | None) -> Bar:
    return Bar(name, limit, value, None if value is None else value <= limit)


def _over(fits: Sequence[Fit], reference: Sequence[Fit]) -> list[float]:
    return [
        ours.objective / theirs.objective
        for ours, theirs in zip(fits, reference, strict=True)
        if ours.objective is not None and theirs.objective
    ]
