"""`halfstep tune`: choose a model's parameters on held-out entries."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from halfstep import defaults as d
from halfstep.cli import features as f
from halfstep.cli import judging as j
from halfstep.cli import options as o
from halfstep.cli.tables import read, takes_tables, words
from halfstep.datasets.tables.options import AS_FOUND, TableOptions
from halfstep.errors import InputError
from halfstep.files import check_writable, write_json
from halfstep.screen import Screen

if TYPE_CHECKING:
    from halfstep.evaluation.tuning.search import Search
    from halfstep.recommender.recommender import Recommender

console = Screen()
_DEFAULT_BUDGET = "20m"


@takes_tables
def tune(
    context: typer.Context,
    data: o.Data = o.DEFAULT_DATA,
    search: Annotated[
        str,
        typer.Option(
            help="How to search: climb (from few factors to many, within --budget), grid, random or tpe."
        ),
    ] = "climb",
    budget: Annotated[
        str | None,
        typer.Option(
            help="About the time for the whole command, as 90s, 20m or 1h; climb takes 20m without "
            "--trials."
        ),
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(
            help="Largest number of trials, of climb in its first stage; 12 for random, 40 for tpe."
        ),
    ] = None,
    metric: Annotated[
        str, typer.Option(help="Metric to maximise: auc, or ndcg@K, recall@K, map@K, ...")
    ] = d.METRIC,
    choose: Annotated[
        str,
        typer.Option(
            help="Trial to choose: best, or simplest: the simplest within a standard error of the best."
        ),
    ] = "best",
    solver: o.Solver = "auto",
    factors: Annotated[
        str | None, typer.Option("--factors", "-f", help="Numbers of factors to try: 10,25,50.")
    ] = None,
    regularization: Annotated[
        str | None, typer.Option(help="Values of lambda to try: 1,0.01,0.0001.")
    ] = None,
    alpha: Annotated[str | None, typer.Option(help="Values of alpha to try: 1,15,30,40.")] = None,
    confidence: Annotated[
        str | None,
        typer.Option(help="How values become weights in grid and random; linear if not given."),
    ] = None,
    transform: Annotated[
        str | None,
        typer.Option(help="What values go through before, in grid and random: bm25, tfidf."),
    ] = None,
    user_features: f.UserFeatures = None,
    item_features: f.ItemFeatures = None,
    feature_min_count: f.MinCount = 1,
    max_factors: Annotated[int, typer.Option(help="Largest number of factors of climb.")] = 1024,
    iterations: Annotated[
        int, typer.Option(help="Largest number of iterations; early stopping chooses fewer.")
    ] = d.MOST_ITERATIONS,
    patience: Annotated[
        int, typer.Option(help="Number of iterations without a new best that ends a trial.")
    ] = d.PATIENCE,
    protocol: Annotated[
        str,
        typer.Option(
            help="How grid, random and tpe hold out the validation part, as in evaluate; climb takes "
            "new-items and new-users. The test part is a random share, if the data comes without one; "
            "with new-items, other new items."
        ),
    ] = "per-user",
    repeats: Annotated[int, typer.Option(help="Number of draws of the validation part.")] = 1,
    test_fraction: o.TestFraction = d.TEST_FRACTION,
    min_value: j.MinValue = None,
    overlap: j.Overlap = "error",
    out: Annotated[
        Path, typer.Option(help="Folder for the trials, results, plot and model.")
    ] = Path("tune-report"),
    against: Annotated[
        Path | None,
        typer.Option(
            help="results.json of an earlier search: measure its choice beside this one's."
        ),
    ] = None,
    seed: o.Seed = d.SEED,
    threads: o.Threads = d.THREADS,
    json: o.Json = None,
    table: TableOptions = AS_FOUND,
) -> None:
    """Choose parameters by quality on a validation part, and measure the choice on the test part.

    The chosen model is fitted anew on all training data, and measured once.
    Trials are kept in OUT/trials.db: to continue an interrupted search, run
    the same command again.
    """
    from halfstep.bench.environment import environment
    from halfstep.cli import show_tuning
    from halfstep.evaluation.protocols.early_stopping import list_length
    from halfstep.evaluation.protocols.own_split import train_and_test
    from halfstep.evaluation.protocols.part import part_of
    from halfstep.evaluation.protocols.partitions import parts_of
    from halfstep.evaluation.protocols.validation import validate
    from halfstep.evaluation.tuning.search import SEARCHES
    from halfstep.evaluation.tuning.store import missing
    from halfstep.recommender.recommender import Recommender
    from halfstep.solvers import make
    from halfstep.solvers.registry import choose as choose_solver

    begin = time.perf_counter()
    check_writable(json, "--json", data)
    if search not in ("climb", *SEARCHES):
        raise InputError(f"--search must be climb, {', '.join(SEARCHES)}, got {search!r}")
    if choose not in ("best", "simplest"):
        raise InputError(f"--choose must be best or simplest, got {choose!r}")
    if reason := missing():
        raise InputError(reason)
    k = list_length(metric) or d.LIST_LENGTH
    kept = j.overlap_of(overlap)
    by_time = budget is not None or (search == "climb" and trials is None)
    allowed = o.seconds_of(budget or _DEFAULT_BUDGET) if by_time else None
    lists = {
        name: o.numbers(name, text)
        for name, text in (
            ("factors", factors), ("regularization", regularization), ("alpha", alpha),
        )
        if text is not None
    }  # fmt: skip
    _refuse_ignored(context, search)
    choose_solver(solver)
    models = show_tuning.earlier(against, seed, threads)
    source = read(console, data, table)
    sides = f.read_sides(console, source, user_features, item_features, feature_min_count)
    files: dict[str, Any] = {"user-features": user_features, "item-features": item_features}
    if feature_min_count != 1:
        files["feature-min-count"] = feature_min_count
    ids: dict[str, Any] = {"user_ids": source.user_ids, "item_ids": source.item_ids}
    if protocol == "new-items":  # judged as it is chosen
        drawn: dict[str, Any] = {"test_fraction": test_fraction, "random_state": seed}
        test_part = next(parts_of(protocol, source.interactions, **drawn, **ids))
        train = test_part.train
    else:
        split = train_and_test(source, test_fraction, seed, overlap=kept)
        test_part, train = part_of(split, **ids), split.train
    _make_folder(out)
    store = out / "trials.db"
    with show_tuning.progress(f"{metric} on {source.name}", allowed) as advance:
        if search == "climb":
            from halfstep.evaluation.tuning.budget import climb

            new = protocol if protocol.startswith("new-") else None
            part = new and next(parts_of(new, train, random_state=seed, **ids))
            left = None if allowed is None else allowed - (time.perf_counter() - begin)
            result = climb(
                train, budget=left, trials=trials, metric=metric, solver=solver,
                max_factors=max_factors, iterations=iterations, store=store, seed=seed,
                num_threads=threads, after=lambda _, trial: advance(trial, None),
                min_value=min_value, part=part or None, **sides.given(), **ids,
            ).together  # fmt: skip
        else:
            from halfstep.evaluation.protocols.chronological import times_of
            from halfstep.evaluation.tuning.search import tune as run_search
            from halfstep.evaluation.tuning.space import searched_space
            from halfstep.evaluation.tuning.trial import Tuner

            weighing = {"confidence": confidence or "linear", "transform": transform}
            space, fixed = searched_space(search, lists, weighing, train, bool(sides.given()))
            parts = list(
                parts_of(
                    protocol, train, repeats=repeats, times=times_of(source, train),
                    random_state=seed, **ids,
                )
            )  # fmt: skip
            parts = [one.with_features(*sides) for one in parts]
            tuner = Tuner(
                parts, metric, solver, fixed, iterations, patience, seed=seed,
                num_threads=threads, min_value=min_value,
            )  # fmt: skip
            result = run_search(
                tuner, space, search=search, trials=trials, seconds=allowed, store=store,
                after=advance,
            )  # fmt: skip
    chosen = result.best if choose == "best" else result.simplest
    searched = time.perf_counter() - begin
    show_tuning.trials(console, result, chosen)
    model = make(
        solver, **chosen.settings, iterations=chosen.iterations, random_state=seed,
        num_threads=threads,
    )  # fmt: skip
    # The test part is used only here, by a model that is fitted on all training data.
    validation = validate(
        {"tuned": lambda: model} | models, [test_part], ks=(k,), min_value=min_value,
        overlap=kept, num_threads=threads, without_features=tuple(models), **sides.given(),
    )  # fmt: skip
    test = show_tuning.quality(console, f"{source!r}, test part", validation, seed, min_value)
    test |= show_tuning.show_paired(console, validation, k)
    record = {
        "kind": "tuning",
        "data": {"name": source.name, "hash": source.content_hash, "users": source.users,
                 "items": source.items, "entries": source.entries, "test entries": test_part.test.nnz},
        "search": search, "metric": metric, "budget": allowed, "seed": seed, "most_trials": trials,
        "min_value": min_value, "overlap": kept,
        "solver": model.solver_, "seconds": {
            # The sum includes trials of earlier, interrupted runs.
            "trials": sum(t.seconds for t in result.trials),
            "last fit and test": time.perf_counter() - begin - searched,
            "this run": time.perf_counter() - begin,
            "iteration": sum(model.seconds_) / max(1, len(model.seconds_)),
        },
        "chosen": asdict(chosen), "best": asdict(result.best), "simplest": asdict(result.simplest),
        "test": test, "trials": [asdict(t) for t in result.trials],
        "environment": environment(),
    }  # fmt: skip
    # The model saw the training part alone; what users have is all of the data.
    fitted = replace(source, interactions=train, test=None, negatives=None, times=None)
    recommender = Recommender(model, fitted).with_history(source)
    for path in _write(out, result, source.name, recommender, record):
        console.print(f"wrote {path}", highlight=False, soft_wrap=True)
    o.write(json, record)
    if source.test is None:  # a test part that comes with the data stays out of every fit
        console.print(
            f"To fit the choice to all of the data: "
            f"{show_tuning.fit_command(data, solver, chosen, seed, files)}{words(table)}",
            highlight=False, markup=False, soft_wrap=True,
        )  # fmt: skip


def _refuse_ignored(context: typer.Context, search: str) -> None:
    """Raise InputError for an option that this search would ignore."""
    unused = {
        "climb": ("factors", "regularization", "alpha", "confidence", "transform",
                  "patience", "repeats"),
        "tpe": ("regularization", "alpha", "confidence", "transform", "max_factors"),
    }.get(search, ("max_factors",))  # fmt: skip
    if search == "climb" and not str(context.params["protocol"]).startswith("new-"):
        unused = (*unused, "protocol")
    for name in unused:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise InputError(f"--{name.replace('_', '-')} has no meaning with --search {search}")


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out: '{out}' cannot be made: {error.strerror}") from None


def _write(
    out: Path, result: Search, name: str, recommender: Recommender, record: dict[str, Any]
) -> list[Path]:
    from halfstep.evaluation.tuning import plot as tuning_plot

    paths = [out / "results.json", out / "model.npz"]
    write_json(paths[0], record)
    recommender.save(paths[1])
    if reason := tuning_plot.missing():
        console.print(f"no plot: {reason}", highlight=False, markup=False)
        return paths
    paths.append(out / "search.svg")
    tuning_plot.plot_search(result, paths[-1], f"{name}: {result.metric} on the validation part")
    return paths
