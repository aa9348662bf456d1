"""From a table larger than any machine to numbered blocks, in four rounds of Dask's tasks.

1. Each piece of the table is read once. Its ids become places among its distinct ids, which it sorts by
   the shard that their hash leads to (`encoding`).
2. Each shard of a side gets those distinct ids of all pieces, and numbers them: where its shard begins,
   plus the id's rank there. No machine holds all ids (`ids`).
3. Each piece fetches the numbers of its distinct ids, puts them in place of the ids, and sorts its
   entries by the users' shards, and again by the items' (`cutting`).
4. Each shard of a side fetches its entries from all pieces and makes its block. Entries of hubs are left
   out: their pieces are made of what the shards of the other side have (`entries`).

Between two rounds everything is in files of the folder that all workers see, cut so that a task reads
what is its own and no more (`bundles`). That takes about 40 bytes an entry, all removed at the end. Each
thread of a worker needs the memory of one piece, or of one shard's entries, about 60 bytes each; a task
whose worker dies is repeated and costs nobody else anything; and nothing stays in Dask. The second and
the fourth round have two tasks for each shard. A shuffle of Dask's own (P2P) holds the entries in
the workers, begins anew if one of them dies, and took two to three times as long.

The numbers depend on the ids and the number of shards alone.
"""

from __future__ import annotations

from typing import Any

from halfstep.distributed.facts import Facts
from halfstep.distributed.numbering.rounds import Rounds
from halfstep.distributed.numbering.table import Columns, opened
from halfstep.distributed.storage import Folder
from halfstep.errors import InputError


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
    show_progress: bool = False,
) -> Facts:
    """Write the blocks of a table, whose ids it numbers, to a folder.

    Parameters
    ----------
    client
        Dask's client; None for this process.
    table
        A path, a pattern or a folder of Parquet files, at any URL; or a Dask dataframe.
    folder
        Where ids, blocks, hubs and, at the end, `facts.json` go. What is there of other data is removed
        once the table has been read whole and found good.
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
    made = Rounds(client, given, folder, shards, show_progress).run(hub_entries)
    names: dict[str, str | None] = {"user": user, "item": item, "value": value}
    facts = Facts(
        columns=names, id_types=dict(given.id_types), source=source, shards=shards, **made
    )
    facts.write(folder)
    return facts


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
