"""The `halfstep` command.

Exit codes: 0 done, 1 a comparison failed, 2 bad input (one line on stderr, nothing written),
130 interrupted.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from halfstep import options as o
from halfstep.errors import InputError, SolverUnavailable

app = typer.Typer(
    help="Implicit-feedback matrix factorisation by alternating least squares.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(help="Look at data sets and convert them.", no_args_is_help=True)
app.add_typer(data_app, name="data")
console = Console()
_INTERRUPTED = 130


@app.command()
def doctor(json: o.Json = None) -> None:
    """Say what this machine can run, and how to mend what it cannot."""
    from halfstep import show
    from halfstep.doctor import examine

    examination = examine()
    show.doctor(console, examination)
    show.write_json(json, examination)


@data_app.command("list")
def data_list() -> None:
    """List the generated presets and the formats that are read."""
    from halfstep import show

    show.presets(console)


@data_app.command("info")
def data_info(source: str, json: o.Json = None) -> None:
    """Read a data set and say what it holds and what was wrong with it."""
    from halfstep import datasets, show

    data = datasets.load(source)
    show.dataset(console, data)
    show.write_json(json, show.summary(data))


@data_app.command("convert")
def data_convert(source: str, output: Annotated[Path, typer.Option("--output", "-o")]) -> None:
    """Read a data set, or generate a preset, and write it to one .npz file."""
    from halfstep import datasets

    data = datasets.load(source)
    data.save(output)
    console.print(f"wrote {output}: {data!r}", highlight=False)


@app.command()
def fit(
    output: Annotated[Path, typer.Option("--output", "-o", help="The model, an .npz file.")],
    data: o.Data = o.DEFAULT_DATA,
    solver: Annotated[str, typer.Option(help="auto, cpu, gpu, or a solver's name.")] = "auto",
    factors: o.Factors = 64,
    iterations: o.Iterations = 15,
    regularization: o.Regularization = 0.01,
    exponent: o.Exponent = 0.0,
    confidence: o.Confidence = "implicit",
    alpha: o.Alpha = 1.0,
    epsilon: o.Epsilon = 1.0,
    background: o.Background = None,
    seed: o.Seed = 0,
    threads: o.Threads = 0,
) -> None:
    """Fit a model to all of a data set and save it."""
    from halfstep import datasets
    from halfstep.solvers import make

    settings = o.model_settings(
        factors, iterations, regularization, exponent, confidence, alpha, epsilon, background,
        seed, threads,
    )  # fmt: skip
    model = make(solver, calculate_training_loss=True, **settings)
    if not output.parent.is_dir():
        raise InputError(f"--output: the folder {output.parent} does not exist")
    model.fit(datasets.load(data).interactions)
    model.save(output)
    loss = model.loss_history_[-1] if model.loss_history_ else float("nan")
    console.print(
        f"{model.solver_}: objective {loss:.6g} after {len(model.seconds_)} iterations, "
        f"{sum(model.seconds_):.2f} s; wrote {output}",
        highlight=False,
    )


@app.command()
def recommend(
    model: Annotated[Path, typer.Argument(help="A model that `halfstep fit` wrote.")],
    user: Annotated[str, typer.Option(help="The user's id in the data.")],
    data: o.Data = o.DEFAULT_DATA,
    n: Annotated[int, typer.Option("-n", help="How many items.")] = 10,
    json: o.Json = None,
) -> None:
    """Recommend items that a user of the data does not have yet."""
    from halfstep import datasets, show
    from halfstep.solvers import AlternatingLeastSquares

    fitted = AlternatingLeastSquares.load(model)
    source = datasets.load(data)
    row = source.user_index(user)
    ids, scores = fitted.recommend(row, source.interactions[row], N=n)
    show.recommendations(console, source, user, ids, scores)
    show.write_json(
        json,
        [
            {"item": str(source.item_ids[i]), "score": float(s)}
            for i, s in zip(ids, scores, strict=True)
        ],
    )


@app.command()
def evaluate(
    data: o.Data = o.DEFAULT_DATA,
    solver: Annotated[str, typer.Option(help="auto, cpu, gpu, or a solver's name.")] = "auto",
    preset: Annotated[
        str | None,
        typer.Option(help="Reproduce published results: ncf-ml-1m, with --data its folder."),
    ] = None,
    k: Annotated[int, typer.Option("-k", help="Length of the recommended list.")] = 10,
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
    """Fit on one part of a data set and measure on the other, beside the popularity baseline."""
    from halfstep import datasets, show
    from halfstep.evaluation.equivalence import factors_of
    from halfstep.evaluation.hold_out import train_and_test
    from halfstep.evaluation.metrics import evaluate as measure
    from halfstep.evaluation.published import reproduce
    from halfstep.solvers import make

    if preset is not None:
        exact = "cholesky" if solver == "auto" else solver
        rows = reproduce(preset, datasets.load(data), solver=exact, seed=seed, num_threads=threads)
        reproductions = show.reproductions(console, rows)
        show.write_json(json, reproductions)
        if not all(r.agrees for r in reproductions):
            raise typer.Exit(1)
        return
    settings = o.model_settings(
        factors, iterations, regularization, exponent, confidence, alpha, epsilon, background,
        seed, threads,
    )  # fmt: skip
    source = datasets.load(data)
    split = train_and_test(source, test_fraction, seed)
    measured = {}
    for name in ("popularity", solver):
        model = make(name, **settings).fit(split.train)
        measured[model.solver_] = measure(*factors_of(model), split.train, split.test, ks=(k,))
    show.write_json(json, show.evaluations(console, repr(source), measured))


@app.command()
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
    from halfstep.evaluation.equivalence import compare as judge
    from halfstep.evaluation.equivalence import trace_fit
    from halfstep.evaluation.hold_out import train_and_test
    from halfstep.solvers import make
    from halfstep.solvers.start import starting_factors

    settings = o.model_settings(
        factors, iterations, regularization, exponent, confidence, alpha, epsilon, background,
        seed, threads,
    )  # fmt: skip
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
    show.write_json(json, show.comparison_record(comparison))
    if comparison.verdict != "equivalent":
        raise typer.Exit(1)


@app.command()
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
        test_fraction=test_fraction, memory=memory, out=out,
    )  # fmt: skip
    results = benchmark.run_bench(settings, Console(stderr=True))
    print_results(results, console)
    for path in benchmark.write_report(results, out, console):
        console.print(f"wrote {path}", highlight=False)
    if json is not None:
        write_results(results, json)


def main(arguments: list[str] | None = None) -> None:
    """Run the command; errors that a user can mend are one line on stderr."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    try:
        code = app(arguments, standalone_mode=False)
    except (InputError, SolverUnavailable, MemoryError) as error:
        return _refuse(str(error) or type(error).__name__)
    except OSError as error:
        return _refuse(f"{error.filename or 'file'}: {error.strerror or error}")
    except KeyboardInterrupt:
        return _interrupted()
    except Exception as error:
        # Typer's own errors differ in class from release to release, not in these two attributes.
        message = getattr(error, "format_message", None)
        if message is not None:
            return _refuse(message())
        if type(error).__name__ == "Abort":
            return _interrupted()
        raise
    # Some releases of Typer turn Ctrl-C into this code and say nothing.
    if code == _INTERRUPTED:
        return _interrupted()
    return code if isinstance(code, int) else 0


def _refuse(message: str) -> int:
    print("halfstep: " + " ".join(message.split()), file=sys.stderr)
    return 2


def _interrupted() -> int:
    print("halfstep: interrupted", file=sys.stderr)
    return _INTERRUPTED


if __name__ == "__main__":
    main()
