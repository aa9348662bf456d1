"""The commands that measure solvers against each other: compare, bench."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from halfstep import options as o
from halfstep.files import check_writable

console = Console()


def compare(
    a: Annotated[str, typer.Argument(help="The solver to compare against.")],
    b: Annotated[str, typer.Argument(help="The solver to judge.")],
    data: o.Data = o.DEFAULT_DATA,
    k: Annotated[int, typer.Option("-k", help="Length of the recommended list.")] = 10,
    margin: Annotated[
        float, typer.Option(help="Held-out difference that does not matter, share of a's mean.")
    ] = 0.02,
    tolerance: Annotated[
        float, typer.Option(help="Relative gap of the objectives that does not matter.")
    ] = 0.005,
    test_fraction: o.TestFraction = 0.2,
    factors: o.Factors = 32,
    iterations: o.Iterations = 10,
    regularization: o.Regularization = 0.01,
    exponent: o.Exponent = 0.0,
    confidence: o.Confidence = "implicit",
    alpha: o.Alpha = 1.0,
    epsilon: o.Epsilon = 1.0,
    background: o.Background = None,
    seed: o.Seed = 0,
    threads: o.Threads = 0,
    json: o.Json = None,
) -> None:
    """Judge whether two solvers give factors of equal quality; exit code 1 when they do not."""
    from halfstep import datasets, show
    from halfstep.evaluation.equivalence import check_margins, trace_fit
    from halfstep.evaluation.equivalence import compare as judge
    from halfstep.evaluation.hold_out import train_and_test
    from halfstep.solvers import make
    from halfstep.solvers.start import starting_factors

    settings = o.model_settings(
        factors, iterations, regularization, exponent, confidence, alpha, epsilon, background,
        seed, threads,
    )  # fmt: skip
    check_writable(json, "--json")
    check_margins(k, margin, tolerance)
    models = [make(name, **settings) for name in (a, b)]
    source = datasets.load(data)
    split = train_and_test(source, test_fraction, seed)
    start = starting_factors(None, split.train.shape, factors, np.float32, seed)
    reference, judged = (
        trace_fit(model.set_params(init_factors=start), split.train) for model in models
    )
    comparison = judge(
        reference, judged, split.train, split.test, k=k, margin=margin, objective_tolerance=tolerance,
        random_state=seed,
    )  # fmt: skip
    show.comparison(console, comparison, source)
    o.write(json, show.comparison_record(comparison))
    if comparison.verdict != "equivalent":
        raise typer.Exit(1)


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
