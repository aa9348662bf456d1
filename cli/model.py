"""`halfstep fit`: fit a model to a data set, and save it with all that the other commands need."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from halfstep import defaults as d
from halfstep.cli import features as f
from halfstep.cli import options as o
from halfstep.cli.model_file import DEFAULT_MODEL
from halfstep.cli.show_hint import hint
from halfstep.cli.tables import read, takes_tables
from halfstep.datasets.tables.options import AS_FOUND, TableOptions
from halfstep.files import check_writable, npz_path
from halfstep.interruption import ended_cleanly
from halfstep.progress import stage
from halfstep.screen import Screen

console = Screen()
INTERRUPTED = 130


@takes_tables
def fit(
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="The .npz file to write; the other commands read model.npz by default.",
        ),
    ] = DEFAULT_MODEL,
    data: o.Data = o.DEFAULT_DATA,
    solver: o.Solver = "auto",
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
    checkpoint: o.Checkpoint = None,
    checkpoint_every: o.CheckpointEvery = 1,
    resume: o.Resume = False,
    user_features: f.UserFeatures = None,
    item_features: f.ItemFeatures = None,
    feature_regularization: f.Strength = None,
    feature_min_count: f.MinCount = 1,
    no_history: Annotated[
        bool,
        typer.Option(
            "--no-history",
            help="Save the model without what each user has: then recommend --user, recommend --all and "
            "explain need --data.",
        ),
    ] = False,
    table: TableOptions = AS_FOUND,
) -> None:
    """Fit a model to all of a data set and save it with the ids of users and items.

    The first Ctrl-C ends the fit after the current half-step and saves the
    model (exit code 130); the second one ends the command at once.
    """
    from halfstep.evaluation.trace import factors_of
    from halfstep.recommender.catalogue import Catalogue
    from halfstep.recommender.recommender import Recommender
    from halfstep.solvers import make
    from halfstep.solvers.inputs import as_csr
    from halfstep.solvers.objective import objective

    settings = o.model_settings(
        factors, iterations, regularization, exponent, confidence, alpha, epsilon, background,
        transform, bm25_k1, bm25_b, seed, threads,
    )  # fmt: skip
    strength = f.strength_of(feature_regularization, (user_features, item_features))
    if strength is not None:
        settings["feature_regularization"] = strength
    model = make(solver, **settings)
    output = npz_path(output)
    check_writable(output, "--output", data, checkpoint, user_features, item_features)
    dataset = read(console, data, table)
    Catalogue.of(dataset)  # what is wrong with the ids is better said before the fit
    sides = f.read_sides(console, dataset, user_features, item_features, feature_min_count)
    matrix = as_csr(dataset.interactions)
    with ended_cleanly():
        model.fit(
            matrix,
            checkpoint=checkpoint,
            checkpoint_every=checkpoint_every,
            resume=resume,
            on_interrupt="keep",
            **sides.given(),
        )
    with stage(f"writing {output}"):
        Recommender(model, dataset).save(output, history=not no_history)
    if model.interrupted_ is not None:
        console.print(
            f"{model.solver_}: interrupted after {model.interrupted_} of {model.iterations} "
            f"iterations; wrote {output}",
            highlight=False,
        )
        raise typer.Exit(INTERRUPTED)
    # Computed only once: in float64 the objective takes longer than a compiled half-step.
    with stage("calculating the objective"):
        users, items = model.weights(matrix, **sides.given())
        loss = objective(users, items, *factors_of(model))
    console.print(
        f"{model.solver_}: objective {loss:.6g} after {len(model.seconds_)} iterations, "
        f"{sum(model.seconds_):.2f} s; wrote {output}",
        highlight=False,
    )
    hint(console, model, matrix)
