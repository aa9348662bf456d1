"""`halfstep fit`, and the commands that query a fitted model: recommend, similar, explain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console

from halfstep.cli import options as o
from halfstep.cli.tables import read, takes_tables
from halfstep.datasets.tables.options import AS_FOUND, TableOptions
from halfstep.errors import InputError
from halfstep.files import check_writable, npz_path
from halfstep.interruption import ended_cleanly

console = Console()
INTERRUPTED = 130
DEFAULT_MODEL = Path("model.npz")

Model = Annotated[Path, typer.Argument(help="A model that `halfstep fit` wrote.")]
ModelData = Annotated[
    str | None,
    typer.Option(
        "--data", "-d", help="Data set; the one that the model was fitted to if not given."
    ),
]
Count = Annotated[int, typer.Option("-n", help="Number of items.")]
Item = Annotated[
    str,
    typer.Argument(help="The item's name or id; write id:ID for an id that is also a name."),
]


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
    checkpoint: o.Checkpoint = None,
    checkpoint_every: o.CheckpointEvery = 1,
    resume: o.Resume = False,
    table: TableOptions = AS_FOUND,
) -> None:
    """Fit a model to all of a data set and save it.

    The first Ctrl-C ends the fit after the current half-step and saves the
    model (exit code 130); the second one ends the command at once.
    """
    from halfstep.cli import model_file
    from halfstep.evaluation.trace import factors_of
    from halfstep.solvers import make
    from halfstep.solvers.inputs import as_csr
    from halfstep.solvers.objective import objective

    settings = o.model_settings(
        factors, iterations, regularization, exponent, confidence, alpha, epsilon, background,
        seed, threads,
    )  # fmt: skip
    model = make(solver, **settings)
    output = npz_path(output)
    check_writable(output, "--output", data, checkpoint)
    matrix = as_csr(read(console, data, table).interactions)
    with ended_cleanly():
        model.fit(matrix, checkpoint=checkpoint, checkpoint_every=checkpoint_every, resume=resume)
    model_file.save(model, output, data)
    if model.interrupted_ is not None:
        console.print(
            f"{model.solver_}: interrupted after {model.interrupted_} of {model.iterations} "
            f"iterations; wrote {output}",
            highlight=False,
        )
        raise typer.Exit(INTERRUPTED)
    # Computed only once: in float64 the objective takes longer than a compiled half-step.
    users, items = model.weights(matrix)
    loss = objective(users, items, *factors_of(model))
    console.print(
        f"{model.solver_}: objective {loss:.6g} after {len(model.seconds_)} iterations, "
        f"{sum(model.seconds_):.2f} s; wrote {output}",
        highlight=False,
    )


def recommend(
    model: Model = DEFAULT_MODEL,
    user: Annotated[str | None, typer.Option(help="The user's id in the data.")] = None,
    like: Annotated[
        list[str] | None,
        typer.Option(
            help="Name or id of an item that a new user likes; repeat the option for more items."
        ),
    ] = None,
    data: ModelData = None,
    n: Count = 10,
    json: o.Json = None,
) -> None:
    """Recommend items that a user does not have yet, beside the user's own items.

    With --like, recommend to a new user: one half-step computes the user's
    factors, and the model does not change.
    """
    from halfstep.cli import model_file, show_model
    from halfstep.datasets.lookup import find_item, find_user, listener

    check_writable(json, "--json", model, data)
    if (user is None) == (not like):
        raise InputError("give either --user ID, or --like NAME once or several times")
    _check_count(n)
    fitted, source = model_file.load(model, data)
    if like:
        row = listener(source, [find_item(source, name) for name in like])
        ids, scores = fitted.recommend(0, row, N=n, recalculate_user=True)
        title = "For somebody who likes " + ", ".join(like)
    else:
        place = find_user(source, str(user))
        row = source.interactions[[place]]
        ids, scores = fitted.recommend(place, row, N=n)
        title = f"For user {user}"
    history = show_model.history(source, row)
    ranked = show_model.ranked(source, ids, scores)
    show_model.side_by_side(console, title, ranked, history[:n], new=bool(like))
    query = {"like": like} if like else {"user": user}
    o.write(json, {**query, "recommended": ranked, "history": history})


def similar(
    item: Item,
    model: Model = DEFAULT_MODEL,
    data: ModelData = None,
    n: Count = 10,
    json: o.Json = None,
) -> None:
    """List the items that are most similar to an item, by the cosine of their factors."""
    from halfstep.cli import model_file, show_model
    from halfstep.datasets.lookup import find_item

    check_writable(json, "--json", model, data)
    _check_count(n)
    fitted, source = model_file.load(model, data)
    place = find_item(source, item)
    ids, cosines = fitted.similar_items(place, N=n + 1)
    others = ids != place
    ranked = show_model.ranked(source, ids[others][:n], cosines[others][:n])
    show_model.likenesses(console, show_model.named(source, place), ranked)
    o.write(json, ranked)


def explain(
    item: Item,
    user: Annotated[str, typer.Option(help="The user's id in the data.")],
    model: Model = DEFAULT_MODEL,
    data: ModelData = None,
    n: Count = 10,
    json: o.Json = None,
) -> None:
    """Show how much each of a user's items adds to the user's score for an item."""
    from halfstep.cli import model_file, show_model
    from halfstep.datasets.lookup import find_item, find_user

    check_writable(json, "--json", model, data)
    _check_count(n)
    fitted, source = model_file.load(model, data)
    row = source.interactions[[find_user(source, user)]]
    place = find_item(source, item)
    score, parts, _ = fitted.explain(0, row, place, N=n)
    ids = np.array([int(i) for i, _ in parts], dtype=np.int64)
    shares: Any = np.array([float(share) for _, share in parts])
    ranked = show_model.ranked(source, ids, shares)
    show_model.reasons(
        console, show_model.named(source, place), user, float(score), ranked, row.nnz
    )
    o.write(
        json, {"item": show_model.named(source, place), "score": score, "contributions": ranked}
    )


def _check_count(n: int) -> None:
    if n < 1:
        raise InputError(f"-n must be at least 1, got {n}")
