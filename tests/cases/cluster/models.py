"""Sharded models without a fit: factors of chance, and a matrix of what the users have."""

import numpy as np
from pyarrow import parquet
from scipy import sparse

from halfstep import SOLVERS
from halfstep.distributed.blocks import blocks_of
from halfstep.distributed.model import ShardedModel
from halfstep.distributed.model.factor_files import write_factors
from halfstep.distributed.model.record import write_model
from halfstep.distributed.storage import Folder

# More scores than one matrix product takes in one process; and fewer.
LARGE, SMALL = (611, 503), (37, 23)


def having(shape, seed=0):
    """Return what the users have: the last one nothing, one very much; nobody has the last item."""
    users, items = shape
    rng = np.random.default_rng(seed)
    matrix = sparse.random_array((users - 1, items - 1), density=0.03, rng=rng).tolil()
    matrix[2, : items // 2] = 1
    matrix.resize(shape)
    matrix = sparse.csr_matrix(matrix, dtype=np.float32)
    matrix.data = rng.integers(1, 6, matrix.nnz).astype(np.float32)
    return matrix


def model_of(shape, factors=7, dtype=np.float32, ties=False, seed=0):
    """Return a model in one process; with `ties` most users have equal scores among their best."""
    rng = np.random.default_rng(seed)
    model = SOLVERS["cholesky"](factors=factors, dtype=dtype, num_threads=2, random_state=1)
    sides = [
        rng.integers(-2, 3, (rows, factors)) if ties else rng.standard_normal((rows, factors))
        for rows in shape
    ]
    model.user_factors, model.item_factors = (side.astype(dtype) for side in sides)
    model.user_factors[-1] = 0
    return model


def cut(url, model, matrix, shards=3, text=False, hub_entries=None, storage_options=None):
    """Write a model and its data in shards, and load them."""
    folder = Folder(url, storage_options)
    facts = blocks_of(
        matrix, shards, folder.child("data"), hub_entries=hub_entries,
        **dict(zip(("user_ids", "item_ids"), ids_of(matrix.shape, text), strict=True)),
    )  # fmt: skip
    files = {
        side: [
            write_factors(folder, side, k, whole[slice(*facts.starts[side][k : k + 2])])
            for k in range(shards)
        ]
        for side, whole in (("user", model.user_factors), ("item", model.item_factors))
    }
    write_model(
        folder, facts, model.get_params(), files, solver=model.solver_, iterations=4,
        loss_history=[3.0, 2.5], seconds=[0.1, 0.2], relaxation=[1.0, 1.1],
    )  # fmt: skip
    return ShardedModel.load(url, storage_options)


def ids_of(shape, text=False):
    """Return original ids that are not the numbers of the rows."""
    users, items = 7 * np.arange(shape[0])[::-1] + 1000, 3 * np.arange(shape[1]) + 50
    if not text:
        return users, items
    return tuple(np.array([f"é{n}" for n in ids], object) for ids in (users, items))


def lists_in(folder, sharded):
    """Return the files of `recommend_all` as one table, the shards in their order."""
    import pyarrow as pa

    tables = []
    for k in range(sharded.facts.shards):
        with Folder(folder.url, folder.storage_options).reading(
            f"recommendations-{k:05d}.parquet"
        ) as stream:
            tables.append(parquet.read_table(stream))
    return pa.concat_tables(tables)


def table_of(model, matrix, N, text=False, liked=True, items=None):
    """Return what `recommend` of a model in one process answers for all users, as columns."""
    user_ids, item_ids = ids_of(matrix.shape, text)
    rows = np.arange(matrix.shape[0])
    ids, scores = model.recommend(rows, matrix, N, filter_already_liked_items=liked, items=items)
    there = ids >= 0
    ranks = np.broadcast_to(np.arange(1, ids.shape[1] + 1), ids.shape)
    return {
        "user": user_ids[np.repeat(rows, there.sum(axis=1))].tolist(),
        "item": item_ids[ids[there]].tolist(),
        "score": scores[there].tolist(),
        "rank": ranks[there].tolist(),
    }
