"""Take a sharded model elsewhere: to another folder, or into one process's memory."""

from __future__ import annotations

import hashlib
import json
import logging
from typing import Any

import numpy as np

from halfstep.datasets.canonical import canonical_csr
from halfstep.datasets.dataset import Dataset
from halfstep.distributed.blocks import block_name, join
from halfstep.distributed.facts import SIDES
from halfstep.distributed.hubs import piece_name
from halfstep.distributed.ids import ids_of_shard
from halfstep.distributed.model.kept import memory
from halfstep.distributed.model.record import (
    Record,
    discard_model,
    read_side,
    write_record,
)
from halfstep.distributed.storage import Folder
from halfstep.distributed.terms import names_of, transform_of
from halfstep.errors import InputError, NotEnoughMemory
from halfstep.kernels.cpu.high_degree import PIECES
from halfstep.memory import gigabytes
from halfstep.recommender.recommender import Recommender
from halfstep.solvers.model.conversion import to_device
from halfstep.solvers.model.factors import assign_both
from halfstep.solvers.model.origin import note_origin
from halfstep.solvers.model.persistence import suiting
from halfstep.solvers.registry import SOLVERS

log = logging.getLogger("halfstep")

# A folder that has this file was written by `save`, to the end or not, and may be written to again.
_COPY = "copy.json"
_PIECE = 1 << 24
# What an id of text takes in NumPy's array of objects, in a list or a set while it is checked, and twice
# in Arrow's columns; and what a number takes there.
_ID_BYTES = {"string": 200, "int64": 100}


def save(folder: Folder, record: Record, target: Folder, history: bool) -> None:
    """Copy a model; see `ShardedModel.save`."""
    if target.url == folder.url:
        raise InputError(f"folder must be another one than the model's own, {folder.url}")
    if target.names() and (not target.exists(_COPY) or target.child("fit").names()):
        raise InputError(
            f"{target.url} has files and is no copy of a model, so it is not written to: give an empty "
            "folder, or one that save has written"
        )
    data = folder.child("data")
    if history and not data.exists("facts.json"):
        raise InputError(
            f"{folder.url} has a model without what its users have: give history=False"
        )
    with target.writing(_COPY) as stream:
        stream.write(json.dumps({"copy of": folder.url}).encode())
    discard_model(target)
    kept = {f"model/{file.name}": file.digest for side in SIDES for file in record.files[side]}
    shards = [(side, shard) for side in SIDES for shard in range(record.facts.shards)]
    kept |= {f"data/ids/{side}-{shard:05d}.parquet": "" for side, shard in shards}
    if history:
        kept |= {f"data/{block_name(side, shard)}": "" for side, shard in shards}
        hubs = [(side, row) for side in SIDES for row, _ in record.facts.hubs[side]]
        pieces = [piece_name(side, row, k) for side, row in hubs for k in range(PIECES)]
        kept |= {f"data/{name}": "" for name in pieces}
    if record.settings.get("transform") is not None:
        kept |= {f"data/{name}": "" for name in names_of(record.facts)}
    for part in ("model", "data"):
        target.remove(part)
    for name, digest in kept.items():
        _copy(folder, target, name, digest)
    if history:
        _copy(folder, target, "data/facts.json", "")
    write_record(target, record)


def to_model(folder: Folder, record: Record) -> Any:
    """Return the solver with both factor matrices; see `ShardedModel.to_model`."""
    _check_room("to_model", record.bytes_of("user") + record.bytes_of("item"), "factors")
    if record.solver not in SOLVERS:
        raise InputError(
            f"the model was fitted by the solver {record.solver!r}, which is not known here"
        )
    solver = SOLVERS[record.solver]
    settings = {**record.settings, "dtype": record.dtype.type, "factors": record.factors}
    model = solver(**suiting(solver, settings))
    reason = solver.unavailable()
    if reason and solver.device != "cpu":
        model = to_device(model, "cpu")
        log.warning("the model was fitted by %r, which cannot run here (%s): it becomes a %r",
                    record.solver, reason, model.solver_)  # fmt: skip
    assign_both(model, *(read_side(folder, record, side) for side in SIDES))
    note_origin(model)
    model.loss_history_, model.seconds_ = list(record.loss_history), list(record.seconds)
    model.relaxation_ = list(record.relaxation)
    # Not what they gained, which no file has: the next pace of a warm start begins anew.
    model._gains = [None] * len(record.relaxation)
    model._plain = model.transform is None
    if model.transform is not None:
        model._transform = transform_of(folder, record.facts, model, whole=True)
    return model


def to_recommender(folder: Folder, record: Record, history: bool) -> Recommender:
    """Return the model with its ids; see `ShardedModel.to_recommender`."""
    data, facts = folder.child("data"), record.facts
    if not data.exists("facts.json"):
        raise InputError(
            f"{folder.url} has a model without what its users have, of which a recommender counts its "
            "items: load the folder of the fit, or a copy by save(history=True)"
        )
    ids = sum(facts.rows(side) * _ID_BYTES[facts.id_types[side]] for side in SIDES)
    factors = record.bytes_of("user") + record.bytes_of("item")
    entries = 2 * (facts.entries * 12 + facts.rows("user") * 8)
    _check_room("to_recommender", factors + ids + entries, "factors, ids and entries")
    model = to_model(folder, record)
    dataset = Dataset(
        name=folder.url.rstrip("/").rpartition("/")[2],
        interactions=canonical_csr(join(data)),
        user_ids=_ids(folder, record, "user"),
        item_ids=_ids(folder, record, "item"),
        provenance={"source": facts.source, "identity": facts.identity},
    )
    return Recommender(model, dataset, history=history)


def _ids(folder: Folder, record: Record, side: str) -> Any:
    shards = range(record.facts.shards)
    columns = [ids_of_shard(folder, record.facts, side, shard) for shard in shards]
    if record.facts.id_types[side] == "int64":
        return np.concatenate([column.to_numpy() for column in columns])
    return np.array([one for column in columns for one in column.to_pylist()], object)


def _check_room(what: str, needed: int, of: str) -> None:
    free = memory()
    if free is not None and needed > free:
        raise NotEnoughMemory(
            f"{what} needs {gigabytes(needed)} for {of}, and {gigabytes(free)} are free: use "
            "recommend_all, recommend and evaluate, which take a shard at a time"
        )


def _copy(folder: Folder, target: Folder, name: str, digest: str) -> None:
    """Copy a file, and check its SHA-256 digest on the way if one is given."""
    if not folder.exists(name):
        raise InputError(f"{folder.url}/{name} is missing, so the model cannot be copied")
    found = hashlib.sha256()
    with folder.reading(name) as source, target.writing(name) as copy:
        while piece := source.read(_PIECE):
            found.update(piece)
            copy.write(piece)
        if digest and found.hexdigest() != digest:
            raise InputError(
                f"the model's file {folder.url}/{name} is damaged: fit again with resume=True, or copy "
                "the model's folder again"
            )
