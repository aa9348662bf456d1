"""`halfstep evaluate`: measure one model, or compare two, on held-out entries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from halfstep import defaults as d
from halfstep.cli import features as f
from halfstep.cli import judging as j
from halfstep.cli import options as o
from halfstep.cli.show_hint import hint
from halfstep.cli.tables import read, takes_tables
from halfstep.datasets.tables.options import AS_FOUND, TableOptions
from halfstep.errors import InputError
from halfstep.files import check_writable
from halfstep.progress import count_bar
from halfstep.screen import Screen

if TYPE_CHECKING:
    from halfstep.datasets.dataset import Dataset
    from halfstep.evaluation.protocols.part import Part
    from halfstep.evaluation.protocols.validation import Validation

console = Screen()


@takes_tables
def evaluate(
    context: typer.Context,
    data: o.Data = o.DEFAULT_DATA,
    solver: o.Solver = "auto",
    against: Annotated[
        str | None,
        typer.Option(help="Compare with this solver, user by user, instead of popularity."),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(help="Reproduce published results: ncf-ml-1m, whose folder is --data."),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            "--protocol",
            "--split",
            help="How to hold entries out: random-rows, per-user, leave-one-out, strong, k-fold, "
            "ratio-curve, time, last, new-items or new-users; if not given, the split that comes with "
            "the data, or else per-user.",
        ),
    ] = None,
    time_from: Annotated[
        str | None,
        typer.Option(
            help="Hold out all entries from this date or time (UTC) on, as 2024-01-31; implies "
            "--split time."
        ),
    ] = None,
    last: Annotated[
        int | None,
        typer.Option(
            help="Hold out this many of each user's entries, the last ones by time; implies "
            "--split last, where it is 1 if not given."
        ),
    ] = None,
    repeats: Annotated[int, typer.Option(help="Number of independent draws of the protocol.")] = 1,
    folds: Annotated[int, typer.Option(help="Number of folds of k-fold.")] = 5,
    k: Annotated[int, typer.Option("-k", help="Length of the recommended list.")] = d.LIST_LENGTH,
    groups: Annotated[
        int, typer.Option(help="Number of groups of users by activity, for the AUC.")
    ] = 4,
    explain_auc: Annotated[
        bool,
        typer.Option("--explain-auc", help="Add two statistics that were once reported as AUC."),
    ] = False,
    test_fraction: Annotated[
        float | None,
        typer.Option(
            help="Share held out; if not given, 0.1 with random-rows and 0.2 otherwise. With "
            "--split time, the last share of the entries by time; with new-items or new-users, the "
            "share of the items or users."
        ),
    ] = None,
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
    user_features: f.UserFeatures = None,
    item_features: f.ItemFeatures = None,
    feature_regularization: f.Strength = None,
    feature_min_count: f.MinCount = 1,
    seed: o.Seed = d.SEED,
    threads: o.Threads = d.THREADS,
    json: o.Json = None,
    table: TableOptions = AS_FOUND,
) -> None:
    """Fit on a part of the data and measure on the rest, beside popularity and random scores.

    A random split lets the model see the future: entries from after those
    that it is judged by. If the data has times, --split time is closer to
    use; with --split last a model sees what other users did later. Both need
    a column with times (--time-column); entries without a time are fitted,
    and entries of the same time are ordered by a hash of their ids.

    What is held out follows from --seed and the ids of users and items, not
    from their order. Equal scores count as the mean over all their orders.
    Users with nothing to learn from are judged in a table of their own.

    --split new-items holds out all entries of some items and ranks these
    among themselves; --split new-users holds out whole users. A model knows
    nothing of either but --item-features and --user-features.

    With --protocol ratio-curve and --json, also write a plot of the curve,
    an .svg with the same name.
    """
    from halfstep.cli import show_validation
    from halfstep.evaluation.protocols.baselines import baselines_of
    from halfstep.evaluation.protocols.validation import validate
    from halfstep.solvers import SOLVERS, make

    check_writable(json, "--json", data)
    judging = {"min_value": min_value, "overlap": j.overlap_of(overlap)}
    picture = json and json.with_name(f"{json.stem}.svg") if protocol == "ratio-curve" else None
    if picture is not None and picture == json:
        raise InputError(f"--json must not end in .svg, the plot's name, got '{json}'")
    check_writable(picture, "--json", data)
    if preset is not None:
        _reproduce(context, preset, read(console, data, table), solver, seed, threads)
        return
    settings = o.model_settings(
        factors, iterations, regularization, exponent, confidence, alpha, epsilon, background,
        transform, bm25_k1, bm25_b, seed, threads,
    )  # fmt: skip
    strength = f.strength_of(feature_regularization, (user_features, item_features))
    if strength is not None:
        settings["feature_regularization"] = strength
    if k < 1:
        raise InputError(f"-k must be at least 1, got {k}")
    if groups < 1:
        raise InputError(f"--groups must be at least 1, got {groups}")
    solvers = [name for name in (against, solver) if name not in (None, "popularity")]
    named = {make(name, **settings).solver_: name for name in solvers}
    source = read(console, data, table)
    sides = f.read_sides(console, source, user_features, item_features, feature_min_count)
    if sides.given() and SOLVERS[make(solver, **settings).solver_].kind != "rung":
        raise InputError(f"--solver {solver} takes no attributes of users or items")
    models = {label: lambda name=name: make(name, **settings) for label, name in named.items()}
    protocol = protocol or ("time" if time_from else None if last is None else "last")
    rows = [*baselines_of(protocol == "new-users" and models), *models]
    count = _count(protocol, repeats, folds) * len(rows)
    with count_bar(f"{protocol or _default(source)}, {source.name}", count, "models") as done:
        validation = validate(
            models,
            parts(source, protocol, test_fraction, repeats, folds, seed, time_from, last, overlap),
            ks=(k,),
            explain_auc=explain_auc,
            random_state=seed,
            num_threads=threads,
            after=lambda *_: done(1),
            without_features=tuple(name for name in models if SOLVERS[name].kind != "rung"),
            **sides.given(),
            **judging,
        )
    named_parts = validation.parts if protocol == "time" else []
    title = ", ".join([repr(source), protocol or _default(source), *named_parts])
    record = show_validation.validation(
        console,
        title,
        validation,
        groups,
        seed,
        pool=protocol != "ratio-curve",
        min_value=min_value,
        user_features=sides.user is not None,
    )
    hint(console, make(solver, **settings), source.interactions)
    o.write(json, {"protocol": protocol or _default(source), **record, **judging})
    if picture is not None:
        _plot(validation, picture, f"{source.name}: quality by the share to fit on", seed)


def parts(
    source: Dataset,
    protocol: str | None,
    test_fraction: float | None,
    repeats: int,
    folds: int,
    seed: int,
    time_from: str | None = None,
    last: int | None = None,
    overlap: str = "error",
) -> Iterator[Part]:
    """Return the parts of a protocol; for None, those of the data set's own split, or else per-user.

    A named protocol splits the training part and does not use the data set's test part.
    """
    from halfstep.evaluation.protocols.chronological import all_times, moment
    from halfstep.evaluation.protocols.own_split import own_split, refuse_overlap
    from halfstep.evaluation.protocols.part import part_of
    from halfstep.evaluation.protocols.partitions import parts_of

    ids: dict[str, Any] = {"user_ids": source.user_ids, "item_ids": source.item_ids}

    if protocol is None and source.test is not None:
        for option, is_set in (("--test-fraction", test_fraction is not None),
                               ("--repeats", repeats != 1)):  # fmt: skip
            if is_set:
                raise InputError(
                    f"{option} has no meaning with the data's own split; name a --protocol"
                )
        return iter([part_of(own_split(source, j.overlap_of(overlap)), **ids)])
    refuse_overlap(source, j.overlap_of(overlap))
    return parts_of(
        "per-user" if protocol is None else protocol,
        source.interactions,
        test_fraction=test_fraction,
        repeats=repeats,
        folds=folds,
        times=all_times(source),
        time_from=None if time_from is None else moment(time_from),
        last=last,
        random_state=seed,
        **ids,
    )


def _count(protocol: str | None, repeats: int, folds: int) -> int:
    """Return how many parts `parts` yields."""
    from halfstep.evaluation.protocols.partitions import RATIOS

    return repeats * {"k-fold": folds, "ratio-curve": len(RATIOS)}.get(protocol or "", 1)


def _plot(validation: Validation, picture: Path, title: str, seed: int) -> None:
    from halfstep.evaluation.protocols import curve_plot
    from halfstep.evaluation.tuning import plot as tuning_plot

    if reason := tuning_plot.missing():
        console.print(f"no plot: {reason}", highlight=False, markup=False)
        return
    curve_plot.plot_curve(validation, picture, title, random_state=seed)
    console.print(f"wrote {picture}", highlight=False, soft_wrap=True)


def _default(source: Dataset) -> str:
    return "per-user" if source.test is None else "its own split"


def _reproduce(
    context: typer.Context, preset: str, source: Dataset, solver: str, seed: int, threads: int
) -> None:
    from halfstep.cli import show
    from halfstep.evaluation.published import reproduce

    _refuse_ignored(context)
    exact = "eigenbasis" if solver == "auto" else solver
    rows = reproduce(preset, source, solver=exact, seed=seed, num_threads=threads)
    reproductions = show.reproductions(console, rows)
    o.write(context.params["json"], reproductions)
    if not all(r.agrees for r in reproductions):
        raise typer.Exit(1)


def _refuse_ignored(context: typer.Context) -> None:
    """Raise InputError for options that a preset would ignore, since it has its own settings."""
    used = {"data", "solver", "preset", "seed", "threads", "json"}
    for name in context.params:
        source = context.get_parameter_source(name)
        if name not in used and source is not None and source.name == "COMMANDLINE":
            raise InputError(f"--{name.replace('_', '-')} has no meaning with --preset")
