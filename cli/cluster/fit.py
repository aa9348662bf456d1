"""`halfstep cluster fit`: a fit over the workers of a Dask cluster, which by default is started here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from halfstep import defaults as d
from halfstep.cli import options as o
from halfstep.errors import InputError
from halfstep.files import check_writable
from halfstep.interruption import ended_cleanly
from halfstep.screen import Screen

console = Screen()
INTERRUPTED = 130
DEFAULT_FOLDER = "halfstep-fit"

Options = Annotated[
    list[str] | None,
    typer.Option(
        "--storage-option",
        help="KEY=VALUE for the file system of --folder, such as endpoint_url; may be repeated.",
    ),
]


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
    user: Annotated[str | None, typer.Option(help="Column of the users' ids.")] = None,
    item: Annotated[str | None, typer.Option(help="Column of the items' ids.")] = None,
    value: Annotated[
        str | None, typer.Option(help="Column of the values; each row counts 1 without.")
    ] = None,
    folder: Annotated[
        str,
        typer.Option(help="Folder or URL that all machines see: for data, checkpoints and model."),
    ] = DEFAULT_FOLDER,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a Dask scheduler, such as tls://host:8786.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes to start on this machine, without --scheduler.")
    ] = None,
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
    seed: o.Seed = d.SEED,
    checkpoint_every: o.CheckpointEvery = 1,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint in the folder, if any.")
    ] = False,
    loss: Annotated[
        bool, typer.Option("--loss", help="Calculate the objective each iteration.")
    ] = False,
    early_stopping: Annotated[
        float | None,
        typer.Option(
            help="End when an iteration lowers the objective by less than this part of it."
        ),
    ] = None,
    tls_ca: Annotated[
        Path | None, typer.Option(help="Certificate authority of the cluster.")
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="This process's certificate.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key.")] = None,
    storage_option: Options = None,
    json: o.Json = None,
) -> None:
    """Fit a model over several machines, or several processes of this one.

    Without --scheduler it starts workers here, which listen on this machine
    alone. The folder gets the numbered data, a checkpoint of each iteration
    and the model.
    """
    check_writable(json, "--json")
    if (source is None) == (data is None):
        raise InputError("give Parquet files or --data, one of them")
    if scheduler is not None and workers is not None:
        raise InputError("--workers has no meaning with --scheduler, whose workers are there")
    if workers is not None and not 1 <= workers <= 1024:
        raise InputError(f"--workers must be from 1 to 1,024, got {workers}")
    given: dict[str, Any] = {
        "factors": factors,
        "regularization": regularization,
        "regularization_exponent": exponent,
        "confidence": confidence,
        "alpha": alpha,
        "epsilon": epsilon,
        "background": background,
    }
    what: Any = source if data is None else _matrix(data, user, item, value)
    from halfstep.distributed.fitting.clusters import check_installed

    check_installed()
    from halfstep.distributed import fit as fit_over_workers

    with _client(scheduler, workers, (tls_ca, tls_cert, tls_key)) as client, ended_cleanly():
        model = fit_over_workers(
            what,
            folder=folder,
            client=client,
            user=user,
            item=item,
            value=value,
            solver=solver,
            shards=shards,
            groups=groups,
            num_threads=threads,
            iterations=iterations,
            random_state=seed,
            resume=resume,
            checkpoint_every=checkpoint_every,
            calculate_training_loss=loss,
            early_stopping=early_stopping,
            on_interrupt="keep",
            storage_options=options_of(storage_option),
            **given,
        )
    _report(model, folder, json)


def _report(model: Any, folder: str, json: Path | None) -> None:
    done, seconds = model.iterations_, sum(model.seconds_)
    loss = f"objective {model.loss_history_[-1]:.6g} after " if model.loss_history_ else ""
    console.print(
        f"{model.solver_}: {loss}{done} iterations, {seconds:.2f} s on {model.facts.shards} shards; "
        f"wrote {folder}",
        highlight=False,
    )
    o.write(
        json,
        {
            "solver": model.solver_,
            "iterations": done,
            "loss_history": model.loss_history_,
            "seconds": model.seconds_,
            "relaxation": model.relaxation_,
            "users": model.facts.rows("user"),
            "items": model.facts.rows("item"),
            "entries": model.facts.entries,
            "shards": model.facts.shards,
            "folder": folder,
        },
    )
    if model.interrupted_ is not None:
        raise typer.Exit(INTERRUPTED)


def _matrix(data: str, *columns: str | None) -> Any:
    from halfstep.datasets import load_data

    if any(columns):
        raise InputError("--user, --item and --value are columns of Parquet files, not of --data")
    return load_data(data)


@contextmanager
def _client(
    scheduler: str | None, workers: int | None, tls: tuple[Path | None, Path | None, Path | None]
) -> Iterator[Any]:
    """Yield a client of a scheduler, or of workers that are started here."""
    from halfstep.distributed.fitting.clusters import connected, quiet

    if scheduler is None:
        if any(tls):
            raise InputError("--tls-ca, --tls-cert and --tls-key belong to --scheduler")
        with connected(workers=workers) as client:
            yield client
        return
    from distributed import Client
    from distributed.security import Security

    quiet()

    authority, certificate, key = (None if path is None else str(path) for path in tls)
    security = None
    if any(tls):
        for path in tls:
            if path is not None and not path.is_file():
                raise InputError(f"'{path}' is no file: the TLS options take PEM files")
        security = Security(
            tls_ca_file=authority,
            tls_client_cert=certificate,
            tls_client_key=key,
            require_encryption=True,
        )
    try:
        client = Client(scheduler, security=security, timeout="10s")
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise InputError(f"no scheduler answers at {scheduler!r}: {error}") from None
    with client:
        yield client


def options_of(given: list[str] | None) -> dict[str, Any] | None:
    """Return the storage options of a command line: KEY=VALUE, and A.B=VALUE for B in A."""
    if not given:
        return None
    found: dict[str, Any] = {}
    for option in given:
        key, equals, value = option.partition("=")
        if not key or not equals:
            raise InputError(f"--storage-option must be KEY=VALUE, got {option!r}")
        *above, last = key.split(".")
        place = found
        for name in above:
            place = place.setdefault(name, {})
            if not isinstance(place, dict):
                raise InputError(
                    f"--storage-option {name} is a value already, got {option!r} as well"
                )
        place[last] = {"true": True, "false": False}.get(value.lower(), value)
    return found
