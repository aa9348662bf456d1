"""The start of a fit from another model's factors, by the ids of users and items.

Each shard looks for its ids among those of the other model, one of whose shards is read at a time, so
that no machine holds a side whole. It writes the factors with which its rows start to a file like those
of a checkpoint, and these files are the fit's manifest before its first half-step. What is lost later is
read from there; only a fit that goes on by `resume` is told the other model again, to see that it is it.
"""

from __future__ import annotations

import hashlib
import logging
import os
from types import SimpleNamespace
from typing import Any

import numpy as np

from halfstep.distributed.facts import SIDES, Facts
from halfstep.distributed.fitting.cutting import cut
from halfstep.distributed.fitting.factor_files import write_rows
from halfstep.distributed.fitting.manifest import Keeper, Manifest
from halfstep.distributed.fitting.starting import rows_of_start
from halfstep.distributed.ids import ids_of_shard
from halfstep.distributed.model.factor_files import read_factors
from halfstep.distributed.model.record import Record
from halfstep.distributed.model.sharded import ShardedModel
from halfstep.distributed.storage import Folder
from halfstep.distributed.tasks import over_shards
from halfstep.errors import InputError
from halfstep.recommender.recommender import Recommender

log = logging.getLogger("halfstep")

COPY = "init"  # where a model of one process is, until the fit's starting factors are written
STARTS = {"user": -2, "item": -1}  # the half-steps that a fit's start takes the place of


def checked(init: Any, place: Folder, solver: Any) -> ShardedModel | Recommender | None:
    """Return the model to start from, which must suit the solver; None for None.

    Parameters
    ----------
    init
        A `ShardedModel`, a `Recommender`, or a path: a folder of the former or a file of the latter.
    place
        The folder of the fit.

    Raises
    ------
    InputError
        It is none of these, has another number of factors, or is in the folder of the fit.
    """
    if init is None:
        return None
    if isinstance(init, str | os.PathLike):
        text = os.fspath(init)
        init = Recommender.load(text) if text.endswith(".npz") else _loaded(text, place)
    if not isinstance(init, ShardedModel | Recommender):
        raise InputError(
            "init must be a ShardedModel, a Recommender, or the path of one (a solver alone has no ids "
            f"to find its rows by), got {type(init).__name__}"
        )
    if isinstance(init, ShardedModel) and init.folder.same_as(place):
        raise InputError(
            f"init must be a model in another folder than the fit's, {place.url}, whose data and model "
            "the fit replaces: give another folder, or go on there with resume=True and more iterations"
        )
    count = init._record.factors if isinstance(init, ShardedModel) else int(init.model.factors)
    if count != int(solver.factors):
        raise InputError(
            f"init has {count} factors, and factors is {solver.factors}: set factors={count}, or start "
            "without init"
        )
    return init


def in_shards(
    init: ShardedModel | Recommender | None, place: Folder, shards: int
) -> ShardedModel | None:
    """Return the model to start from; one of one process is written to the fit's folder in shards."""
    return cut(init, place.child(COPY), shards) if isinstance(init, Recommender) else init


def identity_of(init: ShardedModel | None) -> str | None:
    """Return a digest of a model's ids and factors, for what a fit that goes on must be of."""
    if init is None:
        return None
    files = [file.digest for side in SIDES for file in init._record.files[side]]
    return hashlib.sha256(" ".join([init.facts.identity, *files]).encode()).hexdigest()


def started(
    client: Any,
    keeper: Keeper,
    facts: Facts,
    folder: Folder,
    solver: Any,
    seed: int,
    init: ShardedModel,
    show_progress: bool = True,
) -> Manifest:
    """Write the starting factors of all shards, and the manifest of them; return it.

    Raises
    ------
    InputError
        The model has none of the data's users and items, its factors are not finite, or the files cannot
        be written.
    """
    keys = [(side, k) for side in SIDES for k in range(facts.shards)]
    settings = {"factors": int(solver.factors), "dtype": np.dtype(solver.dtype).name}
    tasks = [
        (folder, facts, side, k, settings, seed, init.folder, init._record) for side, k in keys
    ]
    found = over_shards(client, write_start, tasks, "starting factors", show_progress=show_progress)
    taken = dict.fromkeys(SIDES, 0)
    for (side, _), (_, known) in zip(keys, found, strict=True):
        taken[side] += known
    counts = [f"{taken[s]:,} of {facts.rows(s):,} {s}s" for s in SIDES]
    if not any(taken.values()):
        raise InputError(
            f"init has {' and '.join(counts)} of the data: its ids, such as "
            f"{_example(init)!r}, are of another kind, or it is a model of other data"
        )
    say = log.warning if not all(taken.values()) else log.info
    say("%s start from the factors of %s; the others are drawn", " and ".join(counts), init)
    names = {key: name for key, (name, _) in zip(keys, found, strict=True)}
    keeper.begin({(side, k, STARTS[side]): name for (side, k), name in names.items()})
    if not keeper.write(facts.shards, 0, ([], []), [], []) or keeper.last is None:
        raise InputError(f"the start of the fit cannot be written to {keeper.folder.url}")
    return keeper.last


def write_start(
    folder: Folder,
    facts: Facts,
    side: str,
    shard: int,
    settings: dict[str, Any],
    seed: int,
    of: Folder,
    record: Record,
) -> tuple[str, int]:
    """Write the starting factors of a shard; return the file's name, and how many are the model's."""
    X = rows_of_start(facts, side, shard, SimpleNamespace(**settings), seed)
    taken = take_rows(of, record, side, ids_of_shard(folder, facts, side, shard), X,
                      shard / facts.shards)  # fmt: skip
    finite = np.isfinite(X).all(axis=1)
    if not finite.all():
        row = int(np.argmin(finite)) + facts.starts[side][shard]
        raise InputError(f"init: the {side} factors of row {row} must be finite in {X.dtype.name}")
    return write_rows(folder.child("fit"), side, shard, STARTS[side], X), taken


def take_rows(of: Folder, record: Record, side: str, ids: Any, X: Any, where: float = 0.0) -> int:
    """Put a model's factors into the rows of X (rows, f) whose ids it has; return how many these are.

    `where`, from 0 to 1, is about where among the model's shards they are: all are read until all ids
    are found, those nearby first.
    """
    import pyarrow as pa
    from pyarrow import compute

    shards = record.facts.shards
    first = int(where * shards)
    left = len(ids)
    for shard in (k % shards for k in range(first, first + shards)):
        if not left:
            break
        theirs = ids_of_shard(of, record.facts, side, shard)
        if theirs.type != ids.type:  # a number and its text are the same id
            theirs, ids = theirs.cast(pa.string()), ids.cast(pa.string())
        places = compute.fill_null(compute.index_in(theirs, value_set=ids), -1).to_numpy()
        rows = np.flatnonzero(places >= 0)
        if len(rows):
            with np.errstate(over="ignore"):  # what does not fit is found by the caller
                X[places[rows]] = read_factors(of, record.files[side][shard])[rows]
            left -= len(rows)
    return len(ids) - left


def _loaded(text: str, place: Folder) -> ShardedModel:
    return ShardedModel.load(text, place.options_for(text))


def _example(init: ShardedModel) -> Any:
    ids = ids_of_shard(init.folder, init.facts, "user", 0)
    return ids[0].as_py() if len(ids) else None
