"""The options of `halfstep cluster` that say where work is done, and with which files; the client."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from halfstep.errors import InputError

DEFAULT_FOLDER = "halfstep-fit"
_MOST_WORKERS = 1024

Folder = Annotated[str, typer.Argument(help="Folder or URL of the fit.")]
Scheduler = Annotated[
    str | None, typer.Option(help="Address of a Dask scheduler, such as tls://host:8786.")
]
Workers = Annotated[
    int | None, typer.Option(help="Processes to start on this machine, without --scheduler.")
]
# The names that `halfstep fit` has for them do as well.
User = Annotated[
    str | None,
    typer.Option(
        "--user", "--user-column", help="Column of the users' ids: its name, or its number."
    ),
]
Item = Annotated[
    str | None, typer.Option("--item", "--item-column", help="Column of the items' ids.")
]
Value = Annotated[
    str | None, typer.Option("--value", "--value-column", help="Column of the values.")
]
TlsCa = Annotated[Path | None, typer.Option(help="Certificate authority of the cluster.")]
TlsCert = Annotated[Path | None, typer.Option(help="This process's certificate.")]
TlsKey = Annotated[Path | None, typer.Option(help="Its key.")]
StorageOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--storage-option",
        help="KEY=VALUE for the file system of the folder, such as endpoint_url; may be repeated.",
    ),
]


@contextmanager
def client_of(
    scheduler: str | None,
    workers: int | None,
    tls: tuple[Path | None, Path | None, Path | None],
    *,
    alone: bool = False,
) -> Iterator[Any]:
    """Yield a client of a scheduler, or of workers that are started here.

    With `alone`, None if the command line names neither: the work is then done in this process.
    """
    from halfstep.distributed.fitting.clusters import check_installed, connected, quiet

    check_connection(scheduler, workers, tls)
    check_installed()
    # After Ctrl-C it would print a traceback of each call that Dask has given up.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    if scheduler is None:
        if alone and workers is None:
            yield None
            return
        with connected(workers=workers) as client:
            yield client
        return
    from distributed import Client

    quiet()
    try:
        client = Client(scheduler, security=_security(tls), timeout="10s")
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise InputError(f"no scheduler answers at {scheduler!r}: {error}") from None
    with client:
        yield client


def check_connection(
    scheduler: str | None, workers: int | None, tls: tuple[Path | None, Path | None, Path | None]
) -> None:
    """Raise InputError for options that contradict each other, before anything is read."""
    if scheduler is not None and workers is not None:
        raise InputError("--workers has no meaning with --scheduler, whose workers are there")
    if workers is not None and not 1 <= workers <= _MOST_WORKERS:
        raise InputError(f"--workers must be from 1 to {_MOST_WORKERS:,}, got {workers}")
    if scheduler is None and any(tls):
        raise InputError("--tls-ca, --tls-cert and --tls-key belong to --scheduler")


def _security(tls: tuple[Path | None, Path | None, Path | None]) -> Any:
    """Return what Dask needs to know of certificates, or None without any."""
    from distributed.security import Security

    if not any(tls):
        return None
    for path in tls:
        if path is not None and not path.is_file():
            raise InputError(f"'{path}' is no file: the TLS options take PEM files")
    authority, certificate, key = (None if path is None else str(path) for path in tls)
    return Security(
        tls_ca_file=authority,
        tls_client_cert=certificate,
        tls_client_key=key,
        require_encryption=True,
    )


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
