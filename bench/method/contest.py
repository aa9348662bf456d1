"""One case: check all contestants, time them, measure their memory, and make the rows."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean

import numpy as np

from halfstep.bench.contestant_names import MEMORY_ELSEWHERE, PEERS, RELAXED, SECOND_PEER
from halfstep.bench.inputs import SplitDataset
from halfstep.bench.method import memory
from halfstep.bench.method.check import (
    SECOND_TOLERANCE,
    Checked,
    check,
    first_reaching,
    float64_objective,
)
from halfstep.bench.method.contestants import Start, contestants
from halfstep.bench.method.timing import (
    Timings,
    pairwise_ratio,
    seconds_to,
    spread,
    time_fits,
    timing_plan,
)
from halfstep.bench.method.verdicts import gap, quality, verdict_of
from halfstep.bench.schema import CaseRecord, Row
from halfstep.bench.settings import BenchSettings
from halfstep.bench.suites import Case
from halfstep.errors import InputError
from halfstep.solvers.fit.start import starting_factors

Say = Callable[[str], None]


def run_case(
    case: Case, dataset: SplitDataset, dataset_index: int, settings: BenchSettings, say: Say
) -> CaseRecord:
    """Run one case and return its record.

    Raises
    ------
    InputError
        The reference cannot run on this data.
    """
    if case.num_threads:
        where = f"{dataset.record.name}, f = {case.factors}, threads {case.num_threads}"
    else:
        where = f"{dataset.record.name}, f = {case.factors}"

    def report(line: str) -> None:
        say(f"{where}: {line}")

    start = starting_factors(None, dataset.train.shape, case.factors, np.float32, settings.seed)
    checks = _check_all(case, dataset, start, settings, report)
    reference = checks[0]
    fits = [c for c in checks if c.reason is None and not c.contestant.baseline]
    plans = [timing_plan(c, case) for c in fits]
    timings = time_fits(
        [p for p in plans if p is not None],
        dataset.train,
        start,
        lambda repeat, name: report(f"timing {name}, repeat {repeat + 1}"),
    )
    rows = [_row(c, reference, timings, case, settings) for c in checks]
    second = _add_second(checks, rows, timings, reference, case)
    if case.table:
        _add_relaxed_gaps(checks, rows, case)
        _add_peers(checks, rows, timings)
    # In the suite `scaling` only with several threads: their number hardly changes the memory.
    wanted = settings.memory and case.memory
    if wanted and (case.table or (case.entries is not None and case.num_threads != 1)):
        _measure_memory(checks, rows, case, dataset, report)
    return CaseRecord(
        data=dataset_index,
        factors=case.factors,
        num_threads=case.num_threads,
        table=case.table,
        iterations=case.iterations,
        reference=reference.contestant.name,
        target=reference.objectives[-1] if case.table else None,
        best=min((c.best for c in checks if c.best is not None), default=None),
        order=timings.order,
        rows=rows,
        convention=case.convention or settings.convention(case.data),
        second=second.contestant.name if second else "",
        second_target=second.objectives[case.iterations - 1] if second else None,
    )


def _check_all(
    case: Case, dataset: SplitDataset, start: Start, settings: BenchSettings, say: Say
) -> list[Checked]:
    """Check all contestants, the reference first: its objective is the target of the others."""
    checks: list[Checked] = []
    target = None
    field = contestants(settings, case)
    measure = float64_objective(field[0], dataset)
    for contestant in field:
        say(f"checking {contestant.name}")
        # The reference has no budget: without its target there is no table.
        budget = case.budget if checks else math.inf
        found = check(contestant, case, dataset, start, measure, target, budget)
        if not checks:
            if found.reason is not None:
                raise InputError(f"the reference {contestant.name} cannot run: {found.reason}")
            target = found.objectives[-1] if case.table else None
            if target is not None:
                found.iterations_to_target = first_reaching(found.objectives, target)
        checks.append(found)
    return checks


def _row(
    checked: Checked, reference: Checked, timings: Timings, case: Case, settings: BenchSettings
) -> Row:
    solver = checked.contestant.solver
    row = Row(
        checked.contestant.name,
        solver.kind,
        solver.device,
        reason=checked.reason,
        notes=checked.notes,
    )
    if checked.reason is not None:
        return row
    row.objectives = list(checked.objectives)
    if len(row.objectives) >= case.iterations:
        row.objective = row.objectives[case.iterations - 1]
    row.objective_gap = gap(checked, reference, case.iterations)
    if checked.evaluation is not None:
        row.quality = quality(checked.evaluation, settings.seed)
    if checked is not reference:
        row.judgement = verdict_of(checked, reference, case.iterations, settings.seed)
    if not checked.contestant.baseline:
        _add_timings(row, checked, reference, timings, case)
    return row


def _add_timings(
    row: Row, checked: Checked, reference: Checked, timings: Timings, case: Case
) -> None:
    # A contestant that was too slow to be timed has the seconds of its check, and no pairs.
    timed = timings.seconds.get(row.solver, [])
    row.seconds = timed or [checked.seconds]
    row.setup_seconds = timings.setup_seconds.get(row.solver, [])
    of_reference = timings.seconds.get(reference.contestant.name, [])
    # The mean iteration of each fit, and not the median over all iterations: what is repeated is a fit.
    row.seconds_per_iteration = spread([mean(fit) for fit in row.seconds])
    row.iterations_to_target = checked.iterations_to_target
    if not case.table:
        row.speed_up = pairwise_ratio([mean(f) for f in of_reference], [mean(f) for f in timed])
        return
    ours, theirs = checked.iterations_to_target, reference.iterations_to_target
    if ours is not None and theirs is not None:
        row.seconds_to_target = spread([seconds_to(fit, ours) for fit in row.seconds])
        row.speed_up = pairwise_ratio(
            [seconds_to(fit, theirs) for fit in of_reference],
            [seconds_to(fit, ours) for fit in timed],
        )


def _add_second(
    checks: Sequence[Checked],
    rows: Sequence[Row],
    timings: Timings,
    reference: Checked,
    case: Case,
) -> Checked | None:
    """Set each row's iterations and seconds to the second target; return the peer that sets it.

    The second target is the objective of the first of `PEERS` after the case's iterations, or that of
    `SECOND_PEER` where the first takes no part; then the rows' speed-ups over it are formed as well.
    None where neither took part, got so far, or is another than the reference.
    """
    named = {c.contestant.name.partition(":")[0]: c for c in checks}
    peer = next((c for c in checks if c.contestant.name == PEERS[0]), named.get(SECOND_PEER))
    if not case.table or peer is None or peer is reference:
        return None
    if len(peer.objectives) < case.iterations:
        return None
    target = peer.objectives[case.iterations - 1]
    theirs = timings.seconds.get(peer.contestant.name, [])
    for checked, row in zip(checks, rows, strict=True):
        if target is None or not row.seconds:
            continue
        reached = first_reaching(checked.objectives, target, SECOND_TOLERANCE)
        if reached is not None:
            row.iterations_to_second = reached
            row.seconds_to_second = spread([seconds_to(fit, reached) for fit in row.seconds])
            found = pairwise_ratio(
                [seconds_to(fit, case.iterations) for fit in theirs],
                [seconds_to(fit, reached) for fit in timings.seconds.get(row.solver, [])],
            )
            if peer.contestant.solver.name == SECOND_PEER and found is not None:
                row.speed_ups[SECOND_PEER] = found
    return peer


def _add_relaxed_gaps(checks: Sequence[Checked], rows: Sequence[Row], case: Case) -> None:
    relaxed = next((c for c in checks if c.contestant.name == RELAXED), None)
    if relaxed is not None:
        for checked, row in zip(checks, rows, strict=True):
            row.relaxed_gap = gap(checked, relaxed, case.iterations)


def _add_peers(checks: Sequence[Checked], rows: Sequence[Row], timings: Timings) -> None:
    """Form each row's speed-ups to the target over the peers that reached it."""
    needed = {c.contestant.name: c.iterations_to_target for c in checks}
    for row in rows:
        for peer in PEERS:
            ours, theirs = needed[row.solver], needed.get(peer)
            if ours is None or theirs is None:
                continue
            found = pairwise_ratio(
                [seconds_to(fit, theirs) for fit in timings.seconds.get(peer, [])],
                [seconds_to(fit, ours) for fit in timings.seconds.get(row.solver, [])],
            )
            if found is not None:
                row.speed_ups[peer] = found


def _measure_memory(
    checks: Sequence[Checked],
    rows: Sequence[Row],
    case: Case,
    dataset: SplitDataset,
    say: Say,
) -> None:
    with tempfile.TemporaryDirectory(prefix="halfstep-bench-") as folder:
        path = Path(folder) / "input.npz"
        memory.write_input(path, checks[0].contestant, dataset.train)
        for checked, row in zip(checks, rows, strict=True):
            if checked.reason is not None:
                continue
            elsewhere = MEMORY_ELSEWHERE.get(checked.contestant.solver.name)
            if elsewhere is not None:
                row.notes.append(f"memory not measured: {elsewhere}")
                continue
            if memory.ITERATIONS * checked.seconds_per_iteration > case.budget / 2:
                row.notes.append("memory not measured: over the time budget")
                continue
            say(f"memory of {row.solver}")
            peak = memory.measure(path, row.solver)
            if isinstance(peak, int):
                row.peak_memory_bytes = peak
            else:
                row.notes.append(peak)
