"""The commands that query a fitted model: recommend, similar, explain. None needs the data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from halfstep import defaults as d
from halfstep.cli import options as o
from halfstep.cli.features import record_of
from halfstep.cli.tables import takes_tables
from halfstep.datasets.tables.options import AS_FOUND, TableOptions
from halfstep.errors import InputError
from halfstep.files import check_writable
from halfstep.interruption import terminated_at_once
from halfstep.plural import counted
from halfstep.screen import Screen

if TYPE_CHECKING:
    from halfstep.recommender.recommender import Recommender

console = Screen()

Model = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="MODEL", help="A model that `halfstep fit` wrote (model.npz if not given)."
    ),
]
ModelData = Annotated[
    str | None,
    typer.Option(
        "--data",
        "-d",
        help="Data set to take from what users have, matched by id; if not given, the model's own.",
    ),
]
Count = Annotated[int, typer.Option("-n", help="Number of items.")]
ModelAndItem = Annotated[
    list[str],
    typer.Argument(
        metavar="[MODEL] ITEM",
        help="The model (model.npz if not given), then the item's name or id; write id:ID for an id "
        "that is also a name.",
    ),
]


@takes_tables
def recommend(
    words: Model = None,
    user: Annotated[str | None, typer.Option(help="The user's id in the data.")] = None,
    like: Annotated[
        list[str] | None,
        typer.Option(
            help="Name or id of an item that a new user likes; repeat the option for more items."
        ),
    ] = None,
    history: Annotated[
        Path | None,
        typer.Option(
            help="Table of what a new user has: items (ids or names), perhaps values; if it has "
            "several users, --user says which."
        ),
    ] = None,
    attribute: Annotated[
        list[str] | None,
        typer.Option(
            help="FIELD=VALUE of a new user, for a model fitted with --user-features; repeat the option "
            "for more. Alone, or beside --like or --history."
        ),
    ] = None,
    all_users: Annotated[
        bool, typer.Option("--all", help="Write the lists of all users to --output.")
    ] = False,
    users: Annotated[
        Path | None, typer.Option(help="Write the lists of the users in this table to --output.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The .parquet, .csv or .jsonl for --all and --users: user, rank, item, name, score.",
        ),
    ] = None,
    data: ModelData = None,
    n: Count = d.LIST_LENGTH,
    json: o.Json = None,
    table: TableOptions = AS_FOUND,
) -> None:
    """Recommend items that a user does not have yet, beside the user's own items.

    With --like, --history or --attribute, recommend to a new user: one
    half-step computes the user's factors, and the model does not change. With --all or --users,
    write the lists of many users to a file. Users who had no entries in the
    fit get no list, and the command says how many they are.
    """
    from halfstep.cli import model_file, show_model
    from halfstep.cli.show_reading import history_row

    model = model_file.only_model(words or [])
    check_writable(json, "--json", model, data, history, users, output)
    way = _way(user, like, history, all_users, users, attribute)
    known = record_of(attribute) if attribute else None
    _check_count(n)
    if way in ("--all", "--users"):
        _write_lists(model, output, users, data, n, json, table)
        return
    if output is not None:
        raise InputError("--output has no meaning without --all or --users; --json writes one list")
    recommender = model_file.load(model, data, table)
    query: dict[str, Any]
    if history is not None:
        row = history_row(console, history, user, recommender)
        ranked = recommender.recommend_row(row, n, attributes=known)
        title, query = f"For the history in {history}", {"history_file": str(history)}
    elif like:
        from halfstep.recommender.new_users import row_at

        places = np.array([recommender.catalogue.item(name) for name in like], np.int64)
        row = row_at(recommender.catalogue, places, None)
        ranked = recommender.recommend_row(row, n, attributes=known)
        title, query = "For somebody who likes " + ", ".join(like), {"like": like}
    elif known is not None:
        from scipy.sparse import csr_matrix

        row = csr_matrix((1, len(recommender.catalogue.item_ids)))
        ranked = recommender.recommend_row(row, n, attributes=known)
        title, query = f"For somebody with {', '.join(attribute or [])}", {}
    else:
        row = recommender.row(user)
        ranked = recommender.recommend(user, n)
        title, query = f"For user {user}", {"user": user}
    recommended = show_model.ranked(ranked)
    had = show_model.history(recommender.catalogue.owned(row))
    show_model.side_by_side(console, title, recommended, had[:n], new=way != "--user")
    query |= {} if known is None else {"attributes": known}
    o.write(json, {**query, "recommended": recommended, "history": had})


@takes_tables
def similar(
    words: ModelAndItem,
    data: ModelData = None,
    n: Count = d.LIST_LENGTH,
    json: o.Json = None,
    table: TableOptions = AS_FOUND,
) -> None:
    """List the items that are most similar to an item, by the cosine of their factors."""
    from halfstep.cli import model_file, show_model

    _check_count(n)
    model, item = model_file.model_and_item("similar", words)
    check_writable(json, "--json", model, data)
    recommender = model_file.load(model, data, table)
    ranked = show_model.ranked(recommender.similar_items(item, n))
    show_model.likenesses(console, _name(recommender, item), ranked)
    o.write(json, ranked)


@takes_tables
def explain(
    words: ModelAndItem,
    user: Annotated[str | None, typer.Option(help="The user's id in the data; needed.")] = None,
    data: ModelData = None,
    n: Count = d.LIST_LENGTH,
    json: o.Json = None,
    table: TableOptions = AS_FOUND,
) -> None:
    """Show how much each of a user's items adds to the user's score for an item.

    The score is that of `recommend`. What the items add is exact for the
    user solved anew; the line "left unsolved by the fit" is the rest: the
    items moved after the user's last half-step, and a fast fit solves users
    nearly, not exactly.
    """
    from halfstep.cli import model_file, show_model

    _check_count(n)
    model, item = model_file.model_and_item("explain", words, more=" --user ID")
    if user is None:
        raise InputError(
            "explain needs --user ID: the order is `halfstep explain MODEL ITEM --user ID`"
        )
    check_writable(json, "--json", model, data)
    recommender = model_file.load(model, data, table)
    found = recommender.explain(user, item, n)
    ranked = show_model.ranked(found.contributions)
    name = found.name or str(found.item)
    show_model.reasons(console, name, user, found, ranked)
    answer = {"item": name, "score": found.score, "unsolved": found.unsolved}
    o.write(json, {**answer, "contributions": ranked})


def _way(
    user: str | None,
    like: list[str] | None,
    history: Path | None,
    every: bool,
    users: Path | None,
    attribute: list[str] | None,
) -> str:
    """Return the option that says for whom the lists are; raise InputError unless it is one."""
    given = {
        "--history": history is not None,
        "--like": bool(like),
        "--all": every,
        "--users": users is not None,
        "--attribute": bool(attribute) and history is None and not like,
        # Beside --history it says whose rows to take.
        "--user": user is not None and history is None,
    }
    ways = [option for option, there in given.items() if there]
    if len(ways) != 1:
        raise InputError(
            "give either --user ID, or --like NAME once or several times, or --history FILE, "
            "or --attribute FIELD=VALUE, or --all, or --users FILE; "
            f"got {' and '.join(ways) or 'none of them'}"
        )
    return ways[0]


def _write_lists(
    model: Path,
    output: Path | None,
    users: Path | None,
    data: str | None,
    n: int,
    json: Path | None,
    table: TableOptions,
) -> None:
    """Write the lists of all users, or of those in a table, and say who got none."""
    from halfstep.cli import model_file
    from halfstep.datasets.matching import places
    from halfstep.recommender.tables import read_users
    from halfstep.recommender.writing import write_all, writer_of

    option = "--all" if users is None else "--users"
    if output is None:
        raise InputError(f"{option} needs --output: a file that ends in .parquet, .csv or .jsonl")
    writer_of(output)
    check_writable(output, "--output", model, data, users)
    recommender = model_file.load(model, data, table)
    catalogue, chosen, unknown = recommender.catalogue, None, []
    if users is not None:
        asked = read_users(users, catalogue)
        found = places(catalogue.user_ids, np.array(asked, object))
        unknown = [user for user, place in zip(asked, found, strict=True) if place < 0]
        if len(unknown) == len(asked):
            catalogue.user(unknown[0])  # raises, with the nearest
        chosen = found[found >= 0]
    with terminated_at_once():
        written = write_all(recommender, output, n, chosen)
    without = dict(written.without)
    if unknown:
        without["are not known to the model"] = len(unknown)
    lines = [f"wrote {output}: {counted(written.users, 'users')}, {counted(written.rows, 'rows')}"]
    lines += [
        counted(count, f"users {reason} and get no list") for reason, count in without.items()
    ]
    if written.short:
        lines.append(
            f"{counted(written.short, 'lists are')} shorter than {n}: no more items are left"
        )
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    record: dict[str, Any] = {"file": str(output), "users": written.users, "rows": written.rows}
    o.write(json, {**record, "without": without, "short": written.short})


def _name(recommender: Recommender, item: str) -> str:
    place = recommender.catalogue.item(item)
    return recommender.catalogue.name(place) or str(recommender.catalogue.item_id(place))


def _check_count(n: int) -> None:
    if n < 1:
        raise InputError(f"-n must be at least 1, got {n}")
