"""A fit whose table and folder are in an object store, with the bits of one process."""

import numpy as np
import pandas as pd
from cases.cluster.fits import USUAL, in_process, over, plays
from cases.cluster.s3 import s3_folder, s3_server  # noqa: F401

from halfstep import distributed
from halfstep.distributed.blocks import join
from halfstep.distributed.facts import Facts
from halfstep.distributed.ids import ids_of_shard
from halfstep.distributed.numbering import number_ids
from halfstep.distributed.storage import Folder

COLUMNS = {"user": "u", "item": "i", "value": "v"}


def frame():
    matrix = plays(users=500, items=300, entries=4000).tocoo()
    return pd.DataFrame({"u": matrix.row, "i": matrix.col, "v": matrix.data})


def test_a_fit_from_and_to_an_object_store(client, s3_folder, tables, tmp_path):  # noqa: F811
    url, options = s3_folder
    for k in range(3):
        frame()[k::3].to_parquet(f"{url}/table/{k}.parquet", storage_options=options)
    settings = {"storage_options": options, "factors": 7, "iterations": 2}
    over(client, f"{url}/table/*.parquet", f"{url}/fit", **settings, **COLUMNS)
    settings["iterations"] = 4
    model = over(client, f"{url}/table", f"{url}/fit", resume=True, **settings, **COLUMNS)
    assert model.iterations_ == 4
    local = number_ids(None, tables(frame()), Folder(tmp_path / "data"), shards=2, **COLUMNS)
    folder = Folder(f"{url}/fit", options)
    facts = Facts.read(folder.child("data"))
    assert facts.identity == local.identity
    assert "work" not in folder.child("data").names()
    alone = in_process(join(folder.child("data")), factors=7)
    whole = distributed.ShardedModel.load(f"{url}/fit", storage_options=options).to_model()
    np.testing.assert_array_equal(whole.user_factors, alone.user_factors)
    assert len(ids_of_shard(folder, facts, "user", 1)) == np.diff(facts.starts["user"])[1]
    assert USUAL["iterations"] == 4


def test_numbering_in_the_memory_of_this_process(tables, tmp_path):
    local = number_ids(None, tables(frame()), Folder(tmp_path / "data"), shards=2, **COLUMNS)
    there = Folder("memory://halfstep-test/data")
    found = number_ids(None, tables(frame(), name="again"), there, shards=2, **COLUMNS)
    assert found.identity == local.identity
    assert there.names() == ["blocks", "facts.json", "ids"]
