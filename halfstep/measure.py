"""The command that measures solvers against each other: bench."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from halfstep import options as o
from halfstep.files import check_writable

console = Console()


def bench(
    data: o.Data = o.DEFAULT_DATA,
    suite: o.Suite = "quick",
    solvers: o.Names = None,
    factors: o.Sizes = None,
    iterations: o.Iterations = 10,
    repeats: Annotated[int, typer.Option(help="Timed fits of each solver.")] = 5,
    regularization: o.Regularization = 20.0,
    exponent: o.Exponent = 0.0,
    confidence: o.Confidence = "log",
    alpha: o.Alpha = 1.0,
    epsilon: o.Epsilon = 1.0,
    background: o.Background = None,
    test_fraction: o.TestFraction = 0.2,
    seed: o.Seed = 0,
    threads: o.Threads = 0,
    reference: Annotated[
        str | None, typer.Option(help="Whose objective is the target; implicit_cpu if not given.")
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(help="Seconds for the check of one solver at one size, half for its timing."),
    ] = None,
    memory: Annotated[bool, typer.Option(help="Measure peak memory, in processes apart.")] = True,
    out: Annotated[Path, typer.Option(help="Folder for results.json and report.html.")] = Path(
        "bench-report"
    ),
    json: o.Json = None,
) -> None:
    """Run every solver on the same data: time, objective, held-out quality, and a verdict."""
    from halfstep.bench import run as benchmark
    from halfstep.bench.results_file import write_results
    from halfstep.bench.settings import BenchSettings
    from halfstep.bench.table import print_results

    settings = BenchSettings(
        data=data, suite=suite, solvers=None if solvers is None else tuple(solvers.split(",")),
        factors=o.integers("--factors", factors), iterations=iterations, repeats=repeats, seed=seed,
        num_threads=threads, confidence=confidence, alpha=alpha, epsilon=epsilon,
        background=background, regularization=regularization, regularization_exponent=exponent,
        test_fraction=test_fraction, memory=memory, out=out, reference=reference, budget=budget,
    )  # fmt: skip
    check_writable(json, "--json")
    results = benchmark.run_bench(settings, Console(stderr=True))
    print_results(results, console)
    for path in benchmark.write_report(results, out, console):
        console.print(f"wrote {path}", highlight=False)
    if json is not None:
        write_results(results, json)
