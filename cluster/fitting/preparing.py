"""The data of a fit over workers: numbered and cut into blocks, or found in the folder from before."""

from __future__ import annotations

import logging
from typing import Any

from scipy import sparse

from halfstep.distributed.blocks import blocks_of
from halfstep.distributed.columns import Column, Value, chosen, warn_of_added_ratings
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
    user: Column,
    item: Column,
    value: Value,
    resume: bool,
) -> Facts:
    """Return the facts of the data in `folder`, which is made from `source` if it is not there yet.

    The columns of a table are found by their names where the caller does not say them, and the log says
    which they are. Its files are read with the storage options of `folder` if they are of its kind.
    """
    data = folder.child("data")
    if shards is None and resume and data.exists("facts.json"):
        shards = Facts.read(data).shards
    if shards is None:
        shards = max(1, len(workers_of(client)))
    if source is None:
        if not data.exists("facts.json"):
            raise InputError(f"source is None, and {data.url} has no data of an earlier fit")
        _refuse_columns("source is None", user, item, value)
        return Facts.read(data)
    if hasattr(source, "interactions"):  # a Dataset
        _refuse_columns("source is a Dataset", user, item, value)
        ids = {"user_ids": source.user_ids, "item_ids": source.item_ids}
        return blocks_of(as_csr(source.interactions), shards, data, **ids)
    if sparse.issparse(source):
        _refuse_columns("source is a matrix", user, item, value)
        return blocks_of(as_csr(source), shards, data)
    from halfstep.distributed.numbering import number_ids

    options = folder.options_for(source)
    columns = chosen(source, options, user=user, item=item, value=value)
    log.info("columns of the table: %s", columns.said())
    facts: Facts = number_ids(
        client, source, data, shards=shards, user=columns.user, item=columns.item,
        value=columns.value, resume=resume, storage_options=options,
    )  # fmt: skip
    warn_of_added_ratings(columns, _rows(facts), facts.entries)
    return facts


def _refuse_columns(why: str, *columns: Any) -> None:
    if any(column is not None for column in columns):
        raise InputError(f"user, item and value are columns of a table, and {why}")


def _rows(facts: Facts) -> int:
    """Return how many rows the files had, or 0 if that is not known."""
    return sum(int(file[-1]) for file in facts.source.get("files", []))
