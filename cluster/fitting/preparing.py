"""The data of a fit over workers: numbered and cut into blocks, or found in the folder from before."""

from __future__ import annotations

import logging
from typing import Any

from scipy import sparse

from halfstep.distributed.blocks import blocks_of
from halfstep.distributed.facts import Facts
from halfstep.distributed.storage import Folder
from halfstep.distributed.workers import workers_of
from halfstep.errors import InputError
from halfstep.solvers.inputs import as_csr

log = logging.getLogger("halfstep")


def data_of(
    source: Any,
    client: Any,
    folder: Folder,
    *,
    shards: int | None,
    user: str | None,
    item: str | None,
    value: str | None,
    resume: bool,
) -> Facts:
    """Return the facts of the data in `folder`, which is made from `source` if it is not there yet."""
    data = folder.child("data")
    if shards is None:
        shards = max(1, len(workers_of(client)))
    if source is None:
        if not data.exists("facts.json"):
            raise InputError(f"source is None, and {data.url} has no data of an earlier fit")
        return Facts.read(data)
    if hasattr(source, "interactions"):  # a Dataset
        ids = {"user_ids": source.user_ids, "item_ids": source.item_ids}
        return blocks_of(as_csr(source.interactions), shards, data, **ids)
    if sparse.issparse(source):
        if user or item or value:
            raise InputError("user, item and value are columns of a table, and source is a matrix")
        return blocks_of(as_csr(source), shards, data)
    if user is None or item is None:
        raise InputError("user and item must name the columns of the table's ids")
    from halfstep.distributed.numbering import number_ids

    facts: Facts = number_ids(
        client, source, data, shards=shards, user=user, item=item, value=value, resume=resume,
        storage_options=_options_for(source, folder),
    )  # fmt: skip
    return facts


def _options_for(source: Any, folder: Folder) -> dict[str, Any]:
    """Return the folder's storage options if the source is a URL of the same kind."""
    kinds = [str(url).partition("://")[:2] for url in (source, folder.url)]
    same = kinds[0][1] and kinds[0] == kinds[1]
    return folder.storage_options if same else {}
