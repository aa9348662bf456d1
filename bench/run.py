"""A whole benchmark run: `run_bench` measures, `write_report` writes the results and the report."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from rich.console import Console

from halfstep.bench.environment import environment
from halfstep.bench.inputs import SplitDataset, load_data
from halfstep.bench.limits.run import SUITES as LIMITS
from halfstep.bench.limits.run import run_limits
from halfstep.bench.method.check import SECOND_TOLERANCE, TARGET_TOLERANCE
from halfstep.bench.method.contest import run_case
from halfstep.bench.method.ratios import CONFIDENCE, RESAMPLES
from halfstep.bench.quality.acceleration import run_acceleration
from halfstep.bench.quality.run import run_quality
from halfstep.bench.report.charts import unavailable
from halfstep.bench.report.html import write_html
from halfstep.bench.results_file import write_results
from halfstep.bench.schema import SCHEMA, CaseRecord, Method, Results
from halfstep.bench.settings import DEFAULT_DATA, BenchSettings
from halfstep.bench.suite_evaluation import measure_evaluation
from halfstep.bench.suite_memory import measure_memory, measure_preparation
from halfstep.bench.suite_queries import measure_queries
from halfstep.bench.suite_small import measure_small
from halfstep.bench.suites import plan
from halfstep.errors import InputError
from halfstep.evaluation.equivalence import MARGIN, OBJECTIVE_TOLERANCE


def run_bench(
    settings: BenchSettings,
    console: Console,
    case_done: Callable[[Results, CaseRecord], None] = lambda results, case: None,
) -> Results:
    """Run the settings' suite, with a line on `console` for each step.

    `case_done(results, case)` is called after each case. Tables come first, and of these the ones
    without the rungs that are written to be read, so that a first table is there soon; the results have
    the plan's order.

    The lines are plain: a thread that redraws an animation would be part of what is timed.

    Raises
    ------
    InputError
        The data cannot be loaded, or no reference can run on it.
    KeyboardInterrupt
        The run was interrupted; a line on `console` says what was written.
    """
    try:
        return _run(settings, console, case_done)
    except KeyboardInterrupt:
        path = settings.results_path()
        if settings.suite == "quality" and path.exists():
            message = f"interrupted: {path} holds the finished cells; --resume goes on"
        else:
            message = "interrupted: no results were written"
        console.print(message, style="red", markup=False, highlight=False, soft_wrap=True)
        raise


def _run(
    settings: BenchSettings, console: Console, case_done: Callable[[Results, CaseRecord], None]
) -> Results:
    def say(line: str) -> None:
        console.print(line, style="dim", highlight=False)

    chosen = plan(settings)
    measure = {"queries": measure_queries, "evaluation": measure_evaluation}.get(settings.suite)
    whole = {
        "quality": run_quality,
        "acceleration": run_acceleration,
        **dict.fromkeys(LIMITS, run_limits),
    }.get(settings.suite)
    own_data = {
        "memory": measure_memory,
        "preparation": measure_preparation,
        "small": measure_small,
    }.get(settings.suite)
    if not chosen.cases and measure is None and whole is None and own_data is None:
        raise InputError(
            f"suite {settings.suite!r} has nothing to run: {'; '.join(chosen.left_out)}"
        )
    results = Results(
        schema=SCHEMA,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        suite=settings.suite,
        settings=settings.record(),
        data=[],
        environment=environment(),
        method=Method(
            target_tolerance=TARGET_TOLERANCE,
            objective_tolerance=OBJECTIVE_TOLERANCE,
            margin_share=MARGIN,
            confidence=CONFIDENCE,
            resamples=RESAMPLES,
            second_tolerance=SECOND_TOLERANCE,
        ),
        cases=[],
        left_out=list(chosen.left_out),
    )
    if whole is not None:
        return whole(settings, results, say)
    if own_data is not None:
        results.measures = own_data(settings, say)
        return results
    dataset: SplitDataset | None = None
    loaded: tuple[int | None, str | None] = (None, None)
    found: dict[int, CaseRecord] = {}
    soonest = sorted(enumerate(chosen.cases), key=lambda each: (not each[1].table, each[1].to_read))
    for place, case in soonest:
        # A case that names no data runs on the data of the settings.
        wanted = case.entries, case.data or (settings.data or DEFAULT_DATA)
        if dataset is None or wanted != loaded:
            dataset = None  # so that two large data sets are never held at once
            dataset, loaded = load_data(settings, *wanted), wanted
            results.data.append(dataset.record)
        found[place] = run_case(
            case,
            dataset,
            len(results.data) - 1,
            settings,
            say,
        )
        results.cases = [found[place] for place in sorted(found)]
        case_done(results, found[place])
    _in_order(results)
    if measure is not None:
        dataset = load_data(settings)
        results.data.append(dataset.record)
        results.measures = measure(settings, dataset, say)
    return results


def _in_order(results: Results) -> None:
    """Sort the data sets by where the cases first name them."""
    order = list(dict.fromkeys(case.data for case in results.cases))
    results.data = [results.data[old] for old in order]
    for case in results.cases:
        case.data = order.index(case.data)


def write_report(
    results: Results, out_dir: str | Path, console: Console | None = None
) -> list[Path]:
    """Write `results.json` and `report.html` into `out_dir` and return the files written.

    Where `out_dir` ends in `.json`, that file of results is written and no report. Without matplotlib
    there is no report either, and a line on `console` says so.

    Raises
    ------
    InputError
        The folder cannot be made, or a file cannot be written.
    """
    folder = Path(out_dir)
    if folder.suffix == ".json":
        write_results(results, folder)
        return [folder]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"'{folder}' cannot be made: {error.strerror or error}") from error
    written = [folder / "results.json"]
    write_results(results, written[0])
    reason = unavailable()
    if reason is not None:
        if console is not None:
            console.print(f"no report: {reason}", markup=False)
        return written
    write_html(results, folder / "report.html")
    return [*written, folder / "report.html"]
