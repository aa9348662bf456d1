"""A model of one process as a sharded one: its ids and factors, cut into files."""

from __future__ import annotations

import hashlib
import itertools
from typing import Any

import numpy as np

from halfstep.distributed.arrays import digest_of
from halfstep.distributed.blocks import save_ids
from halfstep.distributed.facts import SIDES, Facts
from halfstep.distributed.model.factor_files import write_factors
from halfstep.distributed.model.record import discard_model, write_model
from halfstep.distributed.model.sharded import ShardedModel
from halfstep.distributed.storage import Folder
from halfstep.recommender.recommender import Recommender
from halfstep.solvers.inputs import on_host
from halfstep.solvers.model.factors import needed


def cut(recommender: Recommender, folder: Folder, shards: int) -> ShardedModel:
    """Write a model with its ids to a folder, without what its users have; return it.

    Raises
    ------
    InputError
        It has factors of one side alone.
    """
    model, catalogue = recommender.model, recommender.catalogue
    ids = {"user": catalogue.user_ids, "item": catalogue.item_ids}
    held = dict(zip(SIDES, needed(model, "user_factors", "item_factors"), strict=True))
    factors = {side: np.asarray(on_host(held[side].array())) for side in SIDES}
    starts = {
        side: np.linspace(0, len(ids[side]), shards + 1).astype(int).tolist() for side in SIDES
    }
    discard_model(folder)
    digest, types, files = hashlib.sha256(), {}, {}
    for side in SIDES:
        types[side] = save_ids(folder.child("data"), side, starts[side], ids[side])
        digest.update(digest_of(np.array(ids[side].astype(str))).encode())
        files[side] = [
            write_factors(folder, side, k, factors[side][first:stop])
            for k, (first, stop) in enumerate(itertools.pairwise(starts[side]))
        ]
    columns: dict[str, str | None] = {"user": "user", "item": "item", "value": None}
    source: dict[str, Any] = {"model": recommender.name}
    facts = Facts(digest.hexdigest(), shards, starts, 0, columns, types, source=source)
    settings = {**model._settings(), "factors": factors["user"].shape[1]}
    record = write_model(
        folder, facts, settings, files, solver=model.solver_, iterations=len(model.seconds_)
    )
    return ShardedModel(folder, record)
