"""The command that measures solvers against each other: bench."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from halfstep import defaults as d
from halfstep.cli import options as o
from halfstep.cli.tables import takes_tables
from halfstep.datasets.tables.options import AS_FOUND, TableOptions
from halfstep.files import check_writable
from halfstep.progress import hidden
from halfstep.screen import Screen

console = Screen()


@takes_tables
def bench(
    data: Annotated[
        str | None,
        typer.Option("--data", "-d", help="Data set, as for `fit`; the suite's data if not given."),
    ] = None,
    suite: o.Suite = "quick",
    solvers: o.Names = None,
    factors: o.Sizes = None,
    iterations: o.Iterations = d.ITERATIONS,
    repeats: Annotated[int, typer.Option(help="Number of timed fits of each solver.")] = 5,
    regularization: Annotated[
        float | None,
        typer.Option(
            help="Regularisation lambda; if not given, 0.01 for plays-* and 20 for other data."
        ),
    ] = None,
    exponent: o.Exponent = d.EXPONENT,
    confidence: Annotated[
        str | None,
        typer.Option(
            help="How values become weights: implicit, linear, log, binary or explicit; if not given, "
            "implicit for plays-* and log for other data."
        ),
    ] = None,
    als_wr: Annotated[
        bool,
        typer.Option(
            "--als-wr",
            help="Scale each row's regularisation by its number of entries, as Spark does.",
        ),
    ] = False,
    alpha: o.Alpha = d.ALPHA,
    epsilon: o.Epsilon = d.EPSILON,
    background: o.Background = None,
    transform: o.Transform = None,
    bm25_k1: o.Bm25K1 = d.BM25_K1,
    bm25_b: o.Bm25B = d.BM25_B,
    test_fraction: o.TestFraction = d.TEST_FRACTION,
    seed: o.Seed = d.SEED,
    threads: o.Threads = d.THREADS,
    reference: Annotated[
        str | None,
        typer.Option(help="Solver whose objective is the target; exact ALS if not given."),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(
            help="Seconds to check one solver at one size, and half as many to time it; in suite "
            "quality, seconds for a cell."
        ),
    ] = None,
    no_memory: Annotated[
        bool,
        typer.Option(
            "--no-memory", help="Do not measure peak memory, which takes a process for each fit."
        ),
    ] = False,
    out: Annotated[
        Path,
        typer.Option(
            help="Folder for results.json and report.html, or a .json file for the results only."
        ),
    ] = Path("bench-report"),
    cells: Annotated[
        str | None,
        typer.Option(
            help="Suite quality: run only cells whose name contains or matches this text."
        ),
    ] = None,
    data_folder: Annotated[
        Path | None,
        typer.Option(help="Suite quality: folder of the real data; HALFSTEP_DATA if not given."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Suite quality: keep the cells that --out already has.")
    ] = False,
    json: o.Json = None,
    table: TableOptions = AS_FOUND,
) -> None:
    """Compare many solvers on the same data: time, objective, held-out quality, verdict."""
    from halfstep.bench import run as benchmark
    from halfstep.bench.report.terminal import print_case, print_results
    from halfstep.bench.results_file import write_results
    from halfstep.bench.settings import BenchSettings

    settings = BenchSettings(
        data=data, suite=suite, solvers=None if solvers is None else tuple(solvers.split(",")),
        factors=o.integers("--factors", factors), iterations=iterations, repeats=repeats, seed=seed,
        num_threads=threads, confidence=confidence, alpha=alpha, epsilon=epsilon,
        background=background, transform=transform, bm25_k1=bm25_k1, bm25_b=bm25_b,
        regularization=regularization, regularization_exponent=exponent, als_wr=als_wr,
        test_fraction=test_fraction, memory=not no_memory, out=out, reference=reference, budget=budget,
        cells=cells, data_folder=data_folder, resume=resume, table=table,
    )  # fmt: skip
    check_writable(json, "--json")
    with hidden():  # a line for each step instead, since a bar would be part of what is timed
        results = benchmark.run_bench(
            settings, Screen(stderr=True), lambda so_far, case: print_case(so_far, case, console)
        )
    print_results(results, console, cases=False)
    for path in benchmark.write_report(results, out, console):
        console.print(f"wrote {path}", highlight=False, soft_wrap=True)
    if json is not None:
        write_results(results, json)
