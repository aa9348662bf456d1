"""`halfstep cluster fit`: a fit over the workers of a Dask cluster, which by default is started here."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from halfstep import defaults as d
from halfstep.cli import judging as j
from halfstep.cli import options as o
from halfstep.cli.cluster import connecting as c
from halfstep.cli.cluster import evaluate as e
from halfstep.errors import InputError
from halfstep.files import check_writable
from halfstep.interruption import ended_cleanly
from halfstep.screen import Screen

console = Screen()
INTERRUPTED = 130


def fit(
    source: Annotated[
        str | None,
        typer.Argument(
            help="Path, pattern or folder of Parquet files, at any URL; or give --data."
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option("--data", "-d", help="Data set instead of files: a preset, a file."),
    ] = None,
    user: c.User = None,
    item: c.Item = None,
    value: c.Value = None,
    count_rows: Annotated[
        bool, typer.Option("--count-rows", help="Let each row count 1, whatever columns there are.")
    ] = False,
    folder: Annotated[
        str,
        typer.Option(help="Folder or URL that all machines see: for data, checkpoints and model."),
    ] = c.DEFAULT_FOLDER,
    scheduler: c.Scheduler = None,
    workers: c.Workers = None,
    threads: Annotated[
        int | None, typer.Option("--threads", help="Threads of each worker; its own number if not.")
    ] = None,
    shards: Annotated[
        int | None, typer.Option(help="Parts of each side; one a worker if not.")
    ] = None,
    groups: Annotated[
        int | None,
        typer.Option(help="Groups of rows to solve one by one; by the memory if not given."),
    ] = None,
    solver: Annotated[
        str, typer.Option(help="A solver's name; see `halfstep doctor`.")
    ] = "eigenbasis",
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
    checkpoint_every: o.CheckpointEvery = 1,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint in the folder, if any.")
    ] = False,
    init: Annotated[
        str | None,
        typer.Option(
            help="Start from the factors of another fit, by id: its folder, or the .npz file of a model."
        ),
    ] = None,
    loss: Annotated[
        bool, typer.Option("--loss", help="Calculate the objective each iteration.")
    ] = False,
    early_stopping: Annotated[
        float | None,
        typer.Option(
            help="End when an iteration lowers the objective by less than this part of it."
        ),
    ] = None,
    held_out: Annotated[
        list[str] | None,
        typer.Option(
            "--held-out",
            help="Parquet files of rows that are not in the data, to measure the model on after "
            "the fit; may be repeated. See `halfstep cluster evaluate`.",
        ),
    ] = None,
    k: e.K = d.LIST_LENGTH,
    metrics: e.Metrics = None,
    min_value: j.MinValue = None,
    tls_ca: c.TlsCa = None,
    tls_cert: c.TlsCert = None,
    tls_key: c.TlsKey = None,
    storage_option: c.StorageOptions = None,
    json: o.Json = None,
) -> None:
    """Fit a model over several machines, or several processes of this one.

    Columns are found by their names where --user, --item and --value do not
    say them. Without --scheduler it starts workers here, which listen on this
    machine alone. The folder gets the numbered data, a checkpoint of each
    iteration and the model.
    """
    from halfstep.cli.cluster.show_evaluation import evaluation
    from halfstep.distributed.fitting.clusters import check_installed

    check_writable(json, "--json")
    if (source is None) == (data is None):
        raise InputError("give Parquet files or --data, one of them")
    tls = tls_ca, tls_cert, tls_key
    c.check_connection(scheduler, workers, tls)
    options = c.options_of(storage_option)
    if held_out is None and (metrics, min_value) != (None, None):
        raise InputError("--metrics and --min-value belong to --held-out")
    wanted = e.asked(k, metrics, min_value, "error")
    check_installed()
    given: dict[str, Any] = {
        "factors": factors,
        "regularization": regularization,
        "regularization_exponent": exponent,
        "confidence": confidence,
        "alpha": alpha,
        "epsilon": epsilon,
        "background": background,
        "transform": transform,
        "bm25_k1": bm25_k1,
        "bm25_b": bm25_b,
    }
    what: Any
    if source is not None:
        if count_rows and value is not None:
            raise InputError("--count-rows and --value contradict each other")
        what, columns = source, _columns(source, folder, options, user, item, count_rows or value)
    else:
        assert data is not None
        if count_rows:
            raise InputError("--count-rows has no meaning with --data: give --confidence binary")
        what, columns = _dataset(data, user, item, value, confidence), {}
    judged = _judged(held_out or [], folder, options, columns, (user, item, value))
    from halfstep.distributed import fit as fit_over_workers

    with c.client_of(scheduler, workers, tls) as client, ended_cleanly():
        model = fit_over_workers(
            what,
            folder=folder,
            client=client,
            solver=solver,
            shards=shards,
            groups=groups,
            num_threads=threads,
            iterations=iterations,
            random_state=seed,
            resume=resume,
            checkpoint_every=checkpoint_every,
            init=init,
            calculate_training_loss=loss,
            early_stopping=early_stopping,
            on_interrupt="keep",
            storage_options=options,
            **columns,
            **given,
        )
        record = _report(model, folder)
        o.write(json, record)  # whatever becomes of the evaluation
        if held_out and model.interrupted_ is None:
            found = model.evaluate(held_out, client=client, **wanted, **judged)
            shown = evaluation(console, model, found, k, seed, min_value)
            o.write(json, {**record, "held_out": shown})
    if model.interrupted_ is not None:
        raise typer.Exit(INTERRUPTED)


def _columns(
    source: str,
    folder: str,
    options: dict[str, Any] | None,
    user: str | None,
    item: str | None,
    value: str | bool | None,
) -> dict[str, Any]:
    """Print which columns are taken, before any worker is started, and return their names."""
    from halfstep.distributed.columns import chosen
    from halfstep.distributed.storage import Folder

    wanted = False if value is True else value
    found = chosen(
        source, Folder(folder, options).options_for(source), user=user, item=item, value=wanted
    )
    console.print(found.said(), highlight=False, markup=False, soft_wrap=True)
    return {"user": found.user, "item": found.item, "value": found.value or False}


def _judged(
    held_out: list[str],
    folder: str,
    options: dict[str, Any] | None,
    columns: dict[str, Any],
    given: tuple[str | None, str | None, str | None],
) -> dict[str, Any]:
    """Return the columns of held-out files; raise InputError before the fit if they lack them.

    They have the names that they have in the data, if this is files, too.
    """
    from halfstep.distributed.columns import chosen
    from halfstep.distributed.storage import Folder

    place = Folder(folder, options)
    names = {**dict(zip(("user", "item", "value"), given, strict=True)), **columns}
    if columns:  # values may be missing
        names["value"] = False
    found = [chosen(one, place.options_for(one), **names) for one in held_out]
    if not found or columns:
        return {name: columns[name] for name in ("user", "item") if found}
    return {"user": found[0].user, "item": found[0].item, "value": found[0].value}


def _dataset(
    data: str, user: str | None, item: str | None, value: str | None, confidence: str
) -> Any:
    from halfstep.cli.tables import read, table_options

    ratings = confidence == "explicit"
    return read(console, data, table_options(user=user, item=item, value=value, header=None,
                                             separator=None, ratings=ratings))  # fmt: skip


def _report(model: Any, folder: str) -> dict[str, Any]:
    """Print what the fit has come to, and return it for JSON."""
    done, seconds = model.iterations_, sum(model.seconds_)
    loss = f"objective {model.loss_history_[-1]:.6g} after " if model.loss_history_ else ""
    console.print(
        f"{model.solver_}: {loss}{done} iterations, {seconds:.2f} s on {model.facts.shards} shards; "
        f"wrote {folder}",
        highlight=False,
    )
    return {
        "solver": model.solver_,
        "iterations": done,
        "loss_history": model.loss_history_,
        "seconds": model.seconds_,
        "relaxation": model.relaxation_,
        "users": model.facts.rows("user"),
        "items": model.facts.rows("item"),
        "entries": model.facts.entries,
        "columns": model.facts.columns,
        "shards": model.facts.shards,
        "folder": folder,
    }
