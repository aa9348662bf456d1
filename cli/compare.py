"""`halfstep compare`: decide whether a solver is as good as exact ALS, or as another solver."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from halfstep import defaults as d
from halfstep.cli import judging as j
from halfstep.cli import options as o
from halfstep.cli.tables import read, takes_tables
from halfstep.datasets.tables.options import AS_FOUND, TableOptions
from halfstep.errors import InputError
from halfstep.files import check_writable
from halfstep.plural import counted
from halfstep.progress import count_bar, stage
from halfstep.screen import Screen

if TYPE_CHECKING:
    from halfstep.solvers import Solver

console = Screen()
# Settings of the options that may differ between the compared solvers.
_FREE = ("num_threads",)


@takes_tables
def compare(
    solver: Annotated[
        str,
        typer.Argument(
            help="The solver to test, with its settings after a colon: eigenbasis:cg_steps=2. With "
            "OTHER, the reference."
        ),
    ],
    other: Annotated[
        str | None,
        typer.Argument(help="Test this solver, with SOLVER instead of exact ALS as reference."),
    ] = None,
    data: o.Data = o.DEFAULT_DATA,
    k: Annotated[int, typer.Option("-k", help="Length of the recommended list.")] = d.LIST_LENGTH,
    margin: Annotated[
        float,
        typer.Option(
            help="Difference in held-out quality that does not matter, as a share of the reference's."
        ),
    ] = 0.02,
    tolerance: Annotated[
        float | None,
        typer.Option(
            help="How far the objective may be above the reference's, as a share of it; if not given, "
            "0.01 for exact ALS and 0.005 for another solver."
        ),
    ] = None,
    test_fraction: o.TestFraction = d.TEST_FRACTION,
    min_value: j.MinValue = None,
    overlap: j.Overlap = "error",
    factors: o.Factors = d.FACTORS,
    iterations: o.Iterations = d.ITERATIONS,
    regularization: o.Regularization = d.REGULARIZATION,
    exponent: o.Exponent = d.EXPONENT,
    confidence: o.Confidence = d.CONFIDENCE,
    alpha: o.Alpha = d.ALPHA,
    epsilon: o.Epsilon = d.EPSILON,
    background: o.Background = None,
    transform: o.Transform = None,
    bm25_k1: o.Bm25K1 = d.BM25_K1,
    bm25_b: o.Bm25B = d.BM25_B,
    seed: o.Seed = d.SEED,
    threads: o.Threads = d.THREADS,
    json: o.Json = None,
    table: TableOptions = AS_FOUND,
) -> None:
    """Decide whether a solver is as good as exact ALS; exit code 1 if not equivalent.

    Exact ALS has the same start, number of iterations and over-relaxation as
    the solver. With OTHER, the command compares OTHER with SOLVER instead,
    and shows both beside exact ALS.

    Equivalent: the objective is at most the tolerance above the reference's,
    and held-out NDCG and AUC are within the margin. Worse: the objective is
    higher than that, or NDCG or AUC is lower. Better: NDCG or AUC is higher
    and nothing is worse; a lower objective alone does not count as better.
    Undecided: there are too few users to tell. The metrics that decide the
    verdict are printed after it, and then those that say otherwise.
    """
    from halfstep.cli import show_comparison
    from halfstep.evaluation import exact
    from halfstep.evaluation.equivalence import OBJECTIVE_TOLERANCE, check_margins
    from halfstep.evaluation.equivalence import compare as compare_fits
    from halfstep.evaluation.protocols.own_split import train_and_test
    from halfstep.evaluation.trace import trace_fit
    from halfstep.solvers.fit.start import starting_factors

    settings = o.model_settings(
        factors, iterations, regularization, exponent, confidence, alpha, epsilon, background,
        transform, bm25_k1, bm25_b, seed, threads,
    )  # fmt: skip
    check_writable(json, "--json")
    to_exact = exact.EXACT_TOLERANCE if tolerance is None else tolerance
    to_other = OBJECTIVE_TOLERANCE if tolerance is None else tolerance
    check_margins(k, margin, to_exact)
    kept = j.overlap_of(overlap)
    names = [solver] if other is None else [solver, other]
    models = [_model(name, settings) for name in names]
    if iterations == 0:
        raise InputError("--iterations must be at least 1 to compare anything, got 0")
    if other is None and models[0].kind == "baseline":
        raise InputError(
            f"{solver} is a baseline, which minimises nothing: compare it with a solver, "
            f"`halfstep compare eigenbasis:exact {solver}`"
        )
    source = read(console, data, table)
    split = train_and_test(source, test_fraction, seed, overlap=kept)
    start = starting_factors(None, split.train.shape, factors, np.float32, seed)

    def fit(model: Solver, name: str) -> exact.EvaluatedFit:
        X, Y = (side.astype(model.dtype) for side in start)
        trace = trace_fit(model.set_params(init_factors=(X, Y)), split.train, name)
        with stage(f"ranking by {name}"):
            found = exact.evaluated(
                model, trace, split.train, split.test, k, min_value=min_value, overlap=kept
            )
        fitted(1)
        return found

    most = 2 * len(models) + 1
    with count_bar(f"comparing on {source.name}", most, "fits") as fitted:
        fits = [fit(m, _label(name, m)) for name, m in zip(names, models, strict=True)]
        yardsticks = exact.exact_models([f.relaxation for f in fits], **settings)
        fitted(most - len(fits) - len(yardsticks))
        exacts = [fit(m, exact.name_of(relaxation)) for relaxation, m in yardsticks.items()]
    margins: dict[str, Any] = {"k": k, "margin": margin, "random_state": seed}
    with stage("intervals and overlaps"):
        beside = {
            f.trace.name: exact.against_exact(
                f, exacts, split.train, split.test, objective_tolerance=to_exact, **margins
            )
            for f in fits
            if not f.trace.baseline
        }
        if other is None:
            (comparison,) = (one.comparison for one in beside[fits[0].trace.name] if one.alike)
        else:
            comparison = compare_fits(
                fits[0].trace, fits[1].trace, split.train, split.test, objective_tolerance=to_other,
                evaluations=(fits[0].evaluation, fits[1].evaluation), **margins,
            )  # fmt: skip
        _ = comparison.predictions  # computed here, not in the middle of a table
    show_comparison.comparison(console, comparison, source)
    show_comparison.beside_exact(console, beside, iterations)
    judged = fits[-1].evaluation
    j.left_out(console, judged.not_relevant, min_value)
    apart = 0 if judged.without_history is None else len(judged.without_history.users)
    if apart:
        console.print(
            f"{counted(apart, 'users have')} no entry to learn from, and no part in the numbers.",
            highlight=False,
        )
    show_comparison.verdict(console, comparison)
    notes = {"not_relevant": judged.not_relevant, "without_history": apart, "min_value": min_value}
    o.write(json, show_comparison.record(comparison, beside) | notes | {"overlap": kept})
    if comparison.verdict != "equivalent":
        raise typer.Exit(1)


def _model(text: str, settings: dict[str, Any]) -> Solver:
    """Return the model for SOLVER:SETTING=VALUE, with the settings that all solvers share."""
    from halfstep.bench.contestant_names import solver_and_settings
    from halfstep.solvers import choose

    name, colon, own_settings = text.partition(":")
    solver, own = solver_and_settings(f"{choose(name).name}{colon}{own_settings}")
    parameters = inspect.signature(solver).parameters
    for key, value in own.items():
        if key == "init_factors" or (key in settings and key not in _FREE):
            raise InputError(f"{key} must be the same for all compared solvers, got {text!r}")
        if isinstance(parameters[key].default, bool) and not isinstance(value, bool):
            raise InputError(f"{text}: {key} must be true or false, got {value!r}")
    try:
        return solver(**{**settings, **own})
    except InputError:
        raise
    except (TypeError, ValueError) as error:  # such as 0 < "text"
        raise InputError(f"{text}: a value has the wrong type ({error})") from error


def _label(text: str, model: Solver) -> str:
    """Return the name with the solver that `auto` has chosen."""
    _, colon, own = text.partition(":")
    return f"{model.name}{colon}{own}"
