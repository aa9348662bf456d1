"""`halfstep cluster plan`: what a fit over machines would exchange, hold in memory and take."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from halfstep.cli import options as o
from halfstep.cli.cluster.quantities import bytes_of, count_of, rate_of
from halfstep.errors import InputError
from halfstep.files import check_writable
from halfstep.screen import Screen

if TYPE_CHECKING:
    from halfstep.distributed.planning.figures import Machines, Work

console = Screen()
_MOST_FACTORS = 100_000


def plan(
    folder: Annotated[
        str | None,
        typer.Argument(help="Folder or URL of a fit: its rows are counted, none is assumed."),
    ] = None,
    users: Annotated[str | None, typer.Option(help="Number of users, such as 1e9.")] = None,
    items: Annotated[str | None, typer.Option(help="Number of items.")] = None,
    entries: Annotated[str | None, typer.Option(help="Number of stored entries.")] = None,
    factors: o.Factors = 128,
    workers: Annotated[int, typer.Option(help="Number of machines, a worker on each.")] = 2,
    cores: Annotated[int, typer.Option(help="Cores of a machine.")] = 64,
    memory: Annotated[str, typer.Option(help="Memory of a machine.")] = "256GB",
    network: Annotated[str, typer.Option(help="Network of a machine, each way.")] = "25Gb/s",
    user_sigma: Annotated[
        float, typer.Option(help="Spread of the users' numbers of entries: sigma of a log-normal.")
    ] = 1.2,
    item_sigma: Annotated[float, typer.Option(help="Spread of the items' numbers.")] = 2.0,
    float64: Annotated[bool, typer.Option("--float64", help="Factors in float64.")] = False,
    exact: Annotated[
        bool,
        typer.Option(
            "--exact", help="Rows travel as factors, as for exact solves, not as bfloat16."
        ),
    ] = False,
    groups: Annotated[
        int | None,
        typer.Option(help="Groups that a machine solves its rows in; as few as fit if not given."),
    ] = None,
    json: o.Json = None,
) -> None:
    """Show what a fit over machines would exchange, hold in memory and take.

    Give --users, --items and --entries, or the folder of a fit whose data is
    numbered already.
    """
    from halfstep.distributed.planning.figures import Machines

    check_writable(json, "--json")
    _check(factors, workers, groups)
    machines = Machines(workers, cores, bytes_of("--memory", memory), rate_of("--network", network))
    how = {
        "factors": factors,
        "dtype": "float64" if float64 else "float32",
        "packed": not (exact or float64),
        "user_sigma": user_sigma,
        "item_sigma": item_sigma,
    }
    if folder is not None:
        for option, value in (("--users", users), ("--items", items), ("--entries", entries)):
            if value is not None:
                raise InputError(f"{option} has no meaning with a folder, whose rows are counted")
        result = _counted(folder, machines, how, groups)
    else:
        result = _paper(_work(users, items, entries, how), machines, groups)
    o.write(json, result)


def _check(factors: int, workers: int, groups: int | None) -> None:
    for option, value, most in (
        ("--factors", factors, _MOST_FACTORS),
        ("--workers", workers, 1_000_000),
        ("--groups", 1 if groups is None else groups, 1000),
    ):
        if not 1 <= value <= most:
            raise InputError(f"{option} must be from 1 to {most:,}, got {value}")


def _work(users: str | None, items: str | None, entries: str | None, how: dict[str, Any]) -> Work:
    from halfstep.distributed.planning.figures import Work

    if users is None or items is None or entries is None:
        raise InputError("give --users, --items and --entries, or the folder of a fit")
    counts = count_of("--users", users), count_of("--items", items), count_of("--entries", entries)
    return Work(*counts, **how)


def _paper(work: Work, machines: Machines, groups: int | None) -> dict[str, Any]:
    from halfstep.cli.cluster import show_plan
    from halfstep.distributed.planning.paper import plan as planned

    found = planned(work, machines, groups)
    show_plan.paper(console, found)
    return found.as_dict()


def _counted(
    folder: str, machines: Machines, how: dict[str, Any], groups: int | None
) -> dict[str, Any]:
    from halfstep.cli.cluster import show_plan
    from halfstep.distributed.facts import NAME, Facts
    from halfstep.distributed.fitting.clusters import check_installed
    from halfstep.distributed.planning.counted import plan_of
    from halfstep.distributed.planning.figures import Work
    from halfstep.distributed.planning.paper import plan as planned
    from halfstep.distributed.storage import Folder

    check_installed()
    place = Folder(folder)
    if place.local and not Path(place.url.removeprefix("file://")).is_dir():
        raise InputError(f"the folder of a fit must be an existing folder, got {folder!r}")
    data = place if place.exists(NAME) else place.child("data")
    facts = Facts.read(data)
    work = Work(facts.rows("user"), facts.rows("item"), max(1, facts.entries), **how)
    count = min(machines.workers, facts.shards)
    machines = replace(machines, workers=count)
    homes = {k: f"worker {k % count}" for k in range(facts.shards)}
    size = dict.fromkeys(("user", "item"), work.row_bytes)
    counted = plan_of(data, size, homes=homes, groups=groups or 1)
    show_plan.counted(console, counted, planned(work, machines, groups))
    return {
        "bytes_per_iteration": counted.bytes_per_iteration,
        "homes": counted.homes,
        "received": [
            {"side": side, "worker": worker, **one._asdict()}
            for (side, worker), one in counted.received.items()
        ],
        "share": {side: counted.share(side) for side in size},
    }
