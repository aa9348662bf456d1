"""`halfstep cluster recommend` and `export`: what a fit over workers is for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from halfstep import defaults as d
from halfstep.cli import options as o
from halfstep.cli.cluster import connecting as c
from halfstep.cli.model_file import DEFAULT_MODEL
from halfstep.errors import InputError
from halfstep.files import check_writable, npz_path
from halfstep.progress import stage
from halfstep.screen import Screen

console = Screen()


def recommend(
    folder: c.Folder = c.DEFAULT_FOLDER,
    output: Annotated[
        str,
        typer.Option("--output", "-o", help="Folder or URL for the lists, a Parquet file a shard."),
    ] = "lists",
    n: Annotated[int, typer.Option("-n", help="Items for each user.")] = 10,
    keep_known: Annotated[
        bool, typer.Option("--keep-known", help="Also recommend what a user has already.")
    ] = False,
    scheduler: c.Scheduler = None,
    workers: c.Workers = None,
    threads: o.Threads = d.THREADS,
    tls_ca: c.TlsCa = None,
    tls_cert: c.TlsCert = None,
    tls_key: c.TlsKey = None,
    storage_option: c.StorageOptions = None,
) -> None:
    """Write the best items of every user of a fit over workers.

    Without --scheduler and --workers this process takes one shard after the
    other.
    """
    if threads < 0:
        raise InputError(f"--threads must be at least 0, got {threads}")
    options = c.options_of(storage_option)
    with c.client_of(scheduler, workers, (tls_ca, tls_cert, tls_key), alone=True) as client:
        from halfstep.distributed import ShardedModel

        model = ShardedModel.load(folder, options)
        model.recommend_all(
            output, N=n, client=client, filter_already_liked_items=not keep_known,
            num_threads=threads,
        )  # fmt: skip
    users = model.facts.rows("user")
    console.print(f"wrote the lists of {users:,} users to {output}", highlight=False)


def export(
    folder: c.Folder = c.DEFAULT_FOLDER,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The .npz file, which the other commands read.")
    ] = DEFAULT_MODEL,
    no_history: Annotated[
        bool, typer.Option("--no-history", help="Leave out what each user has.")
    ] = False,
    storage_option: c.StorageOptions = None,
) -> None:
    """Write a fit over workers as a model for one machine, if it fits there."""
    from halfstep.distributed.fitting.clusters import check_installed

    check_installed()
    from halfstep.distributed import ShardedModel

    output = npz_path(output)
    check_writable(output, "--output")
    model = ShardedModel.load(folder, c.options_of(storage_option))
    with stage(f"writing {output}"):
        model.to_recommender(history=not no_history).save(output, history=not no_history)
    console.print(f"wrote {output}", highlight=False)
