"""`halfstep cluster evaluate`: held-out quality of a fit over workers."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from halfstep import defaults as d
from halfstep.cli import judging as j
from halfstep.cli import options as o
from halfstep.cli.cluster import connecting as c
from halfstep.errors import InputError
from halfstep.files import check_writable
from halfstep.screen import Screen

console = Screen()

HeldOut = Annotated[
    list[str] | None,
    typer.Option(
        "--held-out",
        help="Parquet files of rows that were held out of the fit: a path, a pattern, a folder, at any "
        "URL; may be repeated.",
    ),
]
K = Annotated[int, typer.Option("-k", help="Length of the recommended list.")]
Metrics = Annotated[
    str | None,
    typer.Option(
        help="Metrics, separated by commas: precision, recall, recall_capped, ndcg, map, hit_rate, auc; "
        "all if not given. Without auc it is several times as fast."
    ),
]


def evaluate(
    folder: c.Folder = c.DEFAULT_FOLDER,
    held_out: HeldOut = None,
    k: K = d.LIST_LENGTH,
    metrics: Metrics = None,
    min_value: j.MinValue = None,
    overlap: Annotated[
        str,
        typer.Option(
            help="Entries that the fit's data has, too: error, drop (leave them out of what is judged) "
            "or keep (judge by them, though the model was fitted on them)."
        ),
    ] = "error",
    user: c.User = None,
    item: c.Item = None,
    value: c.Value = None,
    per_user: Annotated[
        str | None,
        typer.Option(help="Folder or URL for what each user got, a Parquet file a shard."),
    ] = None,
    scheduler: c.Scheduler = None,
    workers: c.Workers = None,
    threads: o.Threads = d.THREADS,
    seed: Annotated[int, typer.Option(help="Seed of the intervals.")] = d.SEED,
    tls_ca: c.TlsCa = None,
    tls_cert: c.TlsCert = None,
    tls_key: c.TlsKey = None,
    storage_option: c.StorageOptions = None,
    json: o.Json = None,
) -> None:
    """Measure a fit over workers on rows that were held out of it.

    The rows name users and items by the ids of the fit's data, in columns of
    the same names unless --user, --item and --value say others. Rows of ids
    that the model does not know are left out, and it says how many.

    Without --scheduler and --workers this process takes one shard after the
    other.
    """
    from halfstep.cli.cluster import show_evaluation

    check_writable(json, "--json")
    if not held_out:
        raise InputError("--held-out must name Parquet files of rows that were held out of the fit")
    wanted = asked(k, metrics, min_value, overlap)
    if threads < 0:
        raise InputError(f"--threads must be at least 0, got {threads}")
    if seed < 0:
        raise InputError(f"--seed must be at least 0, got {seed}")
    options = c.options_of(storage_option)
    with c.client_of(scheduler, workers, (tls_ca, tls_cert, tls_key), alone=True) as client:
        from halfstep.distributed import ShardedModel

        model = ShardedModel.load(folder, options)
        found = model.evaluate(
            held_out, client=client, user=user, item=item, value=value, folder=per_user,
            num_threads=threads, **wanted,
        )  # fmt: skip
    record = show_evaluation.evaluation(console, model, found, k, seed, min_value)
    o.write(json, {**record, "held_out": held_out, "min_value": min_value, "overlap": overlap})
    if per_user is not None:
        console.print(f"wrote what each user got to {per_user}", highlight=False, soft_wrap=True)


def asked(k: int, metrics: str | None, min_value: float | None, overlap: str) -> dict[str, Any]:
    """Return the arguments of `ShardedModel.evaluate` that options say; check them before any work."""
    from halfstep.distributed.model.evaluating import METRICS

    if k < 1:
        raise InputError(f"-k must be at least 1, got {k}")
    names = METRICS if metrics is None else tuple(name.strip() for name in metrics.split(","))
    for name in names:
        o.one_of("--metrics", name, METRICS)
    return {"k": k, "metrics": names, "min_value": min_value, "overlap": j.overlap_of(overlap)}
