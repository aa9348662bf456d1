"""From a table larger than any machine to numbered blocks: ids, and then entries, by Dask's shuffles.

1. Each part of the table gives its distinct ids with how often they occur. These pairs are shuffled by
   the ids' hash, so that each id comes to one shard, where it gets a number: where its shard begins,
   plus its rank there. No machine holds all ids.
2. The entries get their numbers. If the table of a side's ids is small, every worker reads all of it;
   otherwise the entries are shuffled by the ids' hash to where the ids are.
3. The numbered entries are shuffled by the users' shard, and from there by the items', and each shard
   makes its block. Entries of hubs do not go to their own shard: their pieces are made of what the
   shards of the other side have.

So an entry travels two to four times, 24 to 32 bytes each, and a shard's rows are the most that a worker
holds. The table is read twice. The numbers depend on the ids and the number of shards alone.
"""

from __future__ import annotations

import logging
from typing import Any

from halfstep.distributed.facts import Facts
from halfstep.distributed.numbering.entries import blocks_from
from halfstep.distributed.numbering.ids import number_sides
from halfstep.distributed.numbering.table import Columns, Table, opened
from halfstep.distributed.storage import Folder
from halfstep.errors import InputError

log = logging.getLogger("halfstep")


def number_ids(
    client: Any,
    table: Any,
    folder: Folder,
    *,
    shards: int,
    user: str,
    item: str,
    value: str | None = None,
    resume: bool = False,
    hub_entries: int | None = None,
    storage_options: dict[str, Any] | None = None,
) -> Facts:
    """Write the blocks of a table, whose ids it numbers, to a folder.

    Parameters
    ----------
    table
        A path, a pattern or a folder of Parquet files, at any URL; or a Dask dataframe.
    folder
        Where ids, blocks, hubs and, at the end, `facts.json` go.
    user, item, value
        Columns: ids are integers or texts. Without `value` each row counts 1. Rows of one user and item
        are summed.
    resume
        Use what the folder has, if it was made from the same table.
    hub_entries
        See `halfstep.distributed.hubs.hub_limit`.

    Raises
    ------
    InputError
        No Parquet, a missing column, ids of mixed types, missing ids, values that are negative or not
        finite, no rows. The message names the file or the column.
    """
    columns = Columns(user, item, value)
    given = opened(table, columns, storage_options or {})
    source = {**given.source, "shards": shards, "user": user, "item": item, "value": value}
    if folder.exists("facts.json"):
        found = Facts.read(folder)
        if resume:
            check_same(found, source, folder)
            return found
    folder.remove("facts.json")
    for name in ("ids", "blocks", "hubs", "hashed", "parts"):
        folder.remove(name)
    return _number(client, given, folder, shards, columns, source, hub_entries)


def _number(
    client: Any,
    table: Table,
    folder: Folder,
    shards: int,
    columns: Columns,
    source: dict[str, Any],
    hub_entries: int | None,
) -> Facts:
    from halfstep.distributed.numbering.placing import storage_of_shuffles

    with storage_of_shuffles(client, table.rows):
        sides = number_sides(client, table, folder, shards)
        facts = blocks_from(client, table, folder, sides, shards, hub_entries)
    names: dict[str, str | None] = {
        "user": columns.user,
        "item": columns.item,
        "value": columns.value,
    }
    types = {side: table.id_types[side] for side in sides}
    whole = Facts(columns=names, id_types=types, source=source, shards=shards, **facts)
    whole.write(folder)
    return whole


def check_same(facts: Facts, source: dict[str, Any], folder: Folder) -> None:
    """Raise InputError if the data in a folder was made from another table; the message says how."""
    for name in dict.fromkeys([*source, *facts.source]):
        there, here = facts.source.get(name), source.get(name)
        if there != here:
            raise InputError(
                f"{folder.url} has the data of another table: {name} {_short(there)} there, "
                f"{_short(here)} here; give another folder, or resume=False to make the data anew"
            )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
