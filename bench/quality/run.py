"""The suite `quality`, cell after cell; each is written when it is finished, and runs can be resumed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial

from halfstep import datasets
from halfstep.bench.method.contestants import FAILURES
from halfstep.bench.quality.cell import run_cell
from halfstep.bench.quality.plan import SECONDS, planned, shares, source
from halfstep.bench.results_file import read_results, write_results
from halfstep.bench.schema import Results
from halfstep.bench.settings import BenchSettings
from halfstep.datasets import Dataset
from halfstep.errors import InputError

Say = Callable[[str], None]
# A cell is left out where less than this share of its planned time is left for it.
_LEAST = 0.25
# A run can be resumed only with the same values of these settings.
_SAME = ("iterations", "seed", "num_threads", "test_fraction")


def run_quality(settings: BenchSettings, results: Results, say: Say) -> Results:
    """Run the cells that the settings choose, and write the results file after each.

    The suite has `plan.SECONDS`, or each cell the budget of the settings. Where a cell's share of the
    remaining time is short, its repeats are cut first, then its peers, then its seeds; a cell with less
    than a quarter of its planned time is left out.

    Parameters
    ----------
    results
        An empty record of the run, to which the cells are added.

    Raises
    ------
    InputError
        No cell can be run, or the results file holds cells that would be lost or are of another run.
    """
    chosen = planned(settings)
    path = settings.results_path()
    if path.exists():
        _resume(results, settings, read_results(path))
    finished = {cell.name for cell in results.cells}
    sources = {cell.weighting.data: source(cell.weighting.data, settings) for cell in chosen}
    for data, (_, reason) in sources.items():
        if reason is not None:
            results.left_out.append(f"{data}: {reason}")
    todo = [
        cell
        for cell in chosen
        if cell.name not in finished and sources[cell.weighting.data][1] is None
    ]
    if not todo and not results.cells:
        raise InputError(f"suite 'quality' has nothing to run: {'; '.join(results.left_out)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + SECONDS
    dataset: Dataset | None = None
    loaded = ""
    for number, (cell, share) in enumerate(shares(todo)):
        where = f"{cell.name} ({number + 1} of {len(todo)})"
        data = cell.weighting.data
        left = max(0.0, end - time.monotonic())
        budget = settings.budget or min(2 * cell.seconds, share * left)
        if budget < _LEAST * cell.seconds and settings.budget is None:
            results.left_out.append(f"{cell.name}: no time left; --resume goes on with it")
            continue
        if dataset is None or loaded != data:
            dataset = None  # so that two large data sets are never held at once
            say(f"{where}: loading")
            dataset, loaded = datasets.load(sources[data][0]), data
        try:
            found, split = run_cell(cell, dataset, settings, budget, partial(_say, say, where))
        except FAILURES as error:
            results.left_out.append(f"{cell.name}: {' '.join(str(error).split())}")
            continue
        record = replace(split.record, name=data)
        if record not in results.data:
            results.data.append(record)
        found.data = results.data.index(record)
        found.commit = results.environment.commit
        found.created = datetime.now(timezone.utc).isoformat(timespec="seconds")
        results.cells.append(found)
        write_results(results, path)
    if not results.cells:
        raise InputError(f"suite 'quality' has no result: {'; '.join(results.left_out)}")
    return results


def _say(say: Say, where: str, line: str) -> None:
    say(f"{where}: {line}")


def _resume(results: Results, settings: BenchSettings, before: Results) -> None:
    """Add the cells of an earlier run to this one.

    Raises
    ------
    InputError
        The settings do not say `resume`, or the earlier run has another machine or other settings.
    """
    path = settings.results_path()
    if not before.cells:
        if settings.resume:
            raise InputError(f"resume: {path} is of the suite {before.suite!r} and has no cells")
        return
    if not settings.resume:
        raise InputError(
            f"out: {path} holds {len(before.cells)} cells: --resume keeps them and goes on; else "
            "remove it"
        )
    for what in ("cpu", "cores"):
        now, then = (getattr(r.environment, what) for r in (results, before))
        if now != then:
            raise InputError(f"resume: {path} is of a machine with {what} {then}, this has {now}")
    for name in _SAME:
        now, then = results.settings[name], before.settings.get(name)
        if now != then:
            raise InputError(f"resume: {path} has {name} {then}, got {now}")
    results.data, results.cells = list(before.data), list(before.cells)
