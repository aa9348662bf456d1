"""One cell of the suite `quality`: fits of ours and of exact ALS from three seeds, the peers, the times.

What matters most comes first, so that a lack of time cuts the end:

1. from the split and the start of the first seed: exact ALS, which sets the target, exact ALS with
   over-relaxation, and `eigenbasis`, which the cell is about;
2. the same three fits from the other seeds, taking turns; their times are the first pairs of times;
3. implicit's conjugate gradients and Cholesky, and irspack, from the first seed: each until it is at the
   target, for twice the iterations, or for its part of the time;
4. more pairs of fits, and the time to the target of all contestants, interleaved.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from halfstep.bench.contestant_names import EXACT, PEERS
from halfstep.bench.inputs import SplitDataset, split_data
from halfstep.bench.method.contestants import FAILURES, Contestant, Start, contestant, rotated
from halfstep.bench.method.timing import TimingPlan, pairwise_ratio, seconds_to, spread, time_fits
from halfstep.bench.quality.fits import EARLY, Audit, Fit, Path, alike, followed, plain
from halfstep.bench.quality.plan import SEEDS, Planned
from halfstep.bench.quality.record import QualityCell, Standing
from halfstep.bench.quality.verdict import bars, overfitting, pool
from halfstep.bench.settings import BenchSettings
from halfstep.datasets import Dataset
from halfstep.solvers.fit.start import starting_factors

AUTO = "eigenbasis"
# Exact ALS with the over-relaxation factors of the fit of `AUTO` from the same seed.
RELAXED = f"{EXACT}:relaxation=alike"
OURS = (EXACT, AUTO, RELAXED)
OTHERS = (*PEERS, "irspack_cpu")
EVALUATED_USERS = 4_000
MOST_PAIRS = 5
# Shares of a cell's time: by when the last seed must end; what a peer may take at most, and has at
# least; what more pairs of fits may take.
_FITS, _PEER, _LEAST, _PAIRS = 0.7, 0.25, 0.05, 0.15

Say = Callable[[str], None]


class _Seed(NamedTuple):
    """What the fits from one seed share."""

    split: SplitDataset
    start: Start
    audit: Audit


@dataclass
class _Cell:
    """A cell while it is being measured, with what was found so far."""

    planned: Planned
    settings: BenchSettings
    budget: float
    say: Say
    began: float = field(default_factory=time.perf_counter)
    seeds: list[int] = field(default_factory=list)
    fits: dict[str, list[Fit]] = field(default_factory=dict)
    standings: dict[str, Standing] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    relaxation: tuple[float, ...] = (1.0,)

    def arguments(self) -> dict[str, Any]:
        convention = self.settings.convention() | self.planned.weighting.convention
        return {
            **convention,
            "factors": self.planned.factors,
            "iterations": self.settings.iterations,
            "num_threads": self.settings.num_threads,
            "dtype": np.float32,
        }

    def contestant(self, name: str) -> Contestant:
        if name == RELAXED:
            exact = contestant(EXACT, self.arguments())
            alike = {**exact.settings, "relaxation": self.relaxation}
            return replace(exact, name=name, settings=alike)
        return contestant(name, self.arguments())

    def left(self) -> float:
        return self.budget - (time.perf_counter() - self.began)

    def begin(self, dataset: Dataset, seed: int) -> _Seed:
        """Return the split, the start and the audit of one seed."""
        split = split_data(dataset, replace(self.settings, seed=seed), EVALUATED_USERS)
        factors = self.planned.factors
        start = starting_factors(None, split.train.shape, factors, np.float32, seed)
        return _Seed(split, start, Audit(self.contestant(EXACT), split))


def run_cell(
    planned: Planned, dataset: Dataset, settings: BenchSettings, budget: float, say: Say
) -> tuple[QualityCell, SplitDataset]:
    """Run one cell within about `budget` seconds; return its record, and the split of the first seed.

    Raises
    ------
    InputError, ArithmeticError
        A fit of this package failed.
    """
    began = time.perf_counter()
    cell = _Cell(planned, settings, budget, say)
    first_seed = cell.begin(dataset, settings.seed)
    _warm_up(cell, first_seed)
    cell.began = time.perf_counter()
    path, seconds = _fits_of_ours(cell, dataset, first_seed)
    for number, name in enumerate(OTHERS):
        # A slow peer must not take the time of those after it.
        part = max(cell.left(), 0) / (len(OTHERS) - number)
        limit = max(_LEAST * budget, min(_PEER * budget, part))
        cell.standings[name] = _peer(cell, name, first_seed, path, limit)
    del path
    _pairs(cell, first_seed)
    _times_to_target(cell, first_seed)
    early = overfitting(cell.fits[EXACT], settings.seed) if settings.iterations > EARLY else None
    found = QualityCell(
        name=planned.name,
        data=0,
        weighting=planned.weighting.name,
        factors=planned.factors,
        iterations=settings.iterations,
        convention=settings.convention() | planned.weighting.convention,
        seeds=cell.seeds,
        standings=list(cell.standings.values()),
        bars=[],
        overfitting=early,
        notes=cell.notes,
        commit="",
        created="",
        wall_seconds=time.perf_counter() - began,
    )
    found.bars = bars(found, planned.weighting, AUTO, PEERS)
    say(f"done in {found.wall_seconds:.0f} s; fits of ours took {seconds:.0f} s")
    return found, first_seed.split


def _warm_up(cell: _Cell, first_seed: _Seed) -> None:
    """Compile everything: after an installation it takes a minute, which is not the cell's time."""
    split, start, audit = first_seed
    for name in OURS:
        cell.contestant(name).model(1, start).fit(split.train, show_progress=False)
    audit.objective(start)
    audit.quality(start)


def _fits_of_ours(cell: _Cell, dataset: Dataset, first_seed: _Seed) -> tuple[Path, float]:
    """Fit ours from every seed that the time allows.

    Returns
    -------
    The path of exact ALS from the first seed, and the seconds that all fits took.
    """
    began = last = time.perf_counter()
    cell.fits = {name: [] for name in OURS}
    for number in range(SEEDS):
        now = time.perf_counter()
        seed_takes, last = now - last, now
        if number and now - began + seed_takes > _FITS * cell.budget:
            cell.notes.append(f"{number} of {SEEDS} seeds: more are over the cell's time")
            break
        seed = cell.settings.seed + number
        split, start, audit = cell.begin(dataset, seed) if number else first_seed
        cell.seeds.append(seed)
        for name in (*rotated(OURS[:2], number), RELAXED):
            cell.say(f"{name}, seed {seed}")
            what = cell.contestant(name), split, start, audit
            if number == 0 and name == EXACT:
                fit, path = followed(*what, early=True)
                target = fit.objective
            elif number == 0 and name == AUTO:
                fit, _ = followed(*what, target=target, most=2 * cell.settings.iterations)
            else:
                fit = plain(*what, early=name == EXACT)
            cell.fits[name].append(fit)
            if name == AUTO:
                cell.relaxation = tuple(fit.relaxation)
    for name, standing in pool(cell.fits, EXACT, RELAXED, cell.settings.seed).items():
        cell.standings[name] = standing
        standing.iterations_to_target = cell.fits[name][0].iterations_to_target
        standing.checked = 0 if name == RELAXED else len(cell.fits[name][0].seconds)
        # Looks at the factors interrupted the first fit: its times count only where there are no others.
        timed = cell.fits[name][1:] or cell.fits[name]
        standing.seconds = [fit.seconds[: cell.settings.iterations] for fit in timed]
    return path, time.perf_counter() - began


def _peer(
    cell: _Cell,
    name: str,
    first_seed: _Seed,
    exact: Path,
    limit: float,
) -> Standing:
    """Fit a peer until it is at the target, for twice the iterations, or for at most `limit` seconds."""
    cell.say(name)
    standing = Standing(name)
    peer, nominal = cell.contestant(name), cell.settings.iterations
    standing.reason = peer.solver.unavailable()
    if standing.reason is not None:
        return standing
    split, start, audit = first_seed
    target = cell.fits[EXACT][0].objective
    try:
        # One iteration warms up, and it may be all that there is time for.
        fit, path = followed(peer, split, start, audit, target=target, most=1)
        left = limit - fit.seconds[0]
        if left > fit.seconds[0]:
            fit, path = followed(
                peer, split, start, audit, target=target, most=2 * nominal, limit=left
            )
    except (*FAILURES, ValueError) as error:  # implicit raises it for a matrix it cannot factorise
        standing.reason = " ".join(str(error).split()) or type(error).__name__
        return standing
    done = standing.checked = len(fit.seconds)
    standing.iterations_to_target = fit.iterations_to_target
    standing.seconds = [fit.seconds]
    if fit.objective is not None:
        ours = {name: [fit], **{other: cell.fits[other][:1] for other in (EXACT, RELAXED)}}
        found = pool(ours, EXACT, RELAXED, cell.settings.seed)[name]
        standing.to_exact, standing.to_relaxed = found.to_exact, found.to_relaxed
        standing.quality, standing.ratios = found.quality, found.ratios
        standing.relaxed_ratios = found.relaxed_ratios
    if fit.iterations_to_target is None and done < 2 * nominal:
        standing.notes.append(f"stopped after {done} iterations: it had {limit:.1f} s")
        if standing.solver == PEERS[1] and alike(path, exact):
            standing.iterations_to_target = cell.fits[EXACT][0].iterations_to_target
            standing.notes.append(
                "its objective is exact's so far, and exact's iterations count as its"
            )
    return standing


def _pairs(cell: _Cell, first_seed: _Seed) -> None:
    """Time more pairs of fits where there is time, and form the ratio of every pair.

    A pair is a fit of ours and one of exact ALS in the same repeat.
    """
    ours = [cell.standings[name] for name in OURS]
    looked_at = len(cell.fits[AUTO]) == 1
    lacking = MOST_PAIRS - (0 if looked_at else len(ours[0].seconds))
    cost = sum(sum(s.seconds[-1]) for s in ours)
    repeats = min(lacking, int(_PAIRS * cell.budget / max(cost, 1e-9)), int(cell.left() / cost))
    if repeats > 0:
        cell.say(f"{repeats} more pairs of fits")
        iterations = cell.settings.iterations
        plans = [TimingPlan(cell.contestant(s.solver), iterations, repeats) for s in ours]
        timed = time_fits(plans, first_seed.split.train, first_seed.start).seconds
        for standing in ours:
            before = [] if looked_at else standing.seconds
            standing.seconds = [*before, *timed[standing.solver]]
    reference = [sum(fit) for fit in cell.standings[EXACT].seconds]
    for standing in ours:
        standing.fit_time = pairwise_ratio([sum(f) for f in standing.seconds], reference)


def _times_to_target(cell: _Cell, first_seed: _Seed) -> None:
    """Time ours and each contestant that reached the target, taking turns, and form the ratios."""
    ours = cell.standings[AUTO]
    needed = ours.iterations_to_target
    among = (EXACT, *OTHERS)
    rivals = [s for s in cell.standings.values() if s.solver in among and s.iterations_to_target]
    if needed is None or not rivals:
        return
    # Iterations to the target that were not run count as the mean of those that were.
    lengths = {s.solver: min(s.iterations_to_target or 1, s.checked) for s in rivals}
    cost = {s.solver: seconds_to(s.seconds[-1], lengths[s.solver]) for s in rivals}
    cost[AUTO] = seconds_to(ours.seconds[-1], needed)
    fast = [n for n in lengths if cost[n] + cost[AUTO] < max(cell.left(), 0) / len(lengths)]
    repeats = min(3, int(cell.left() / max(sum(cost[n] for n in (*fast, AUTO)), 1e-9)))
    timed: dict[str, list[list[float]]] = {}
    if fast and repeats > 0:
        cell.say(f"time to the target, {repeats} times: {', '.join(fast)}")
        plans = [TimingPlan(cell.contestant(AUTO), needed, repeats)]
        plans += [TimingPlan(cell.contestant(n), lengths[n], repeats) for n in fast]
        timed = time_fits(plans, first_seed.split.train, first_seed.start).seconds
    for standing in rivals:
        theirs, wanted = timed.get(standing.solver), standing.iterations_to_target or 1
        if theirs is None:
            standing.notes.append("timed by its check: more is over the cell's time")
            mine = spread([seconds_to(fit, needed) for fit in ours.seconds])
            if mine is not None:
                standing.sooner = spread([seconds_to(standing.seconds[0], wanted) / mine.median])
            continue
        if standing.solver in OTHERS:
            standing.seconds = theirs
        standing.sooner = pairwise_ratio(
            [seconds_to(fit, wanted) for fit in theirs],
            [seconds_to(fit, needed) for fit in timed[AUTO]],
        )
