"""A fit over two workers has the bits of a fit in one process, and leaves nothing in Dask."""

import numpy as np
import pytest
from cases.cluster.fits import USUAL, in_process, over, plays, same_bits
from scipy import sparse

from halfstep import distributed
from halfstep.distributed.blocks import blocks_of
from halfstep.distributed.storage import Folder
from halfstep.errors import InputError, NotFinite
from halfstep.solvers.objective import objective

pytestmark = pytest.mark.usefixtures("by_blocks")

SETTINGS = [
    {},
    {"exact": True, "factors": 7},
    {"confidence": "linear", "alpha": 2.0, "factors": 64},
    {"regularization_exponent": 1.0, "regularization": 0.01},
]
MORE = [
    {"relaxation": [1.0, 1.3, 1.6]},
    {"cg_steps": 2},
    {"confidence": "implicit"},
    {"confidence": "binary", "background": 0.1, "regularization": 1.0},
    {"confidence": "explicit"},
    {"dtype": "float64"},
    {"compress": True, "factors": 7},
    {"solver": "subspace", "factors": 64},
    {"factors": 64, "exact": True, "regularization_exponent": 0.5},
]


@pytest.mark.parametrize(
    "settings", [*SETTINGS, *(pytest.param(one, marks=pytest.mark.soak) for one in MORE)], ids=str
)
def test_bits_are_those_of_one_process(client, tmp_path, settings):
    matrix = plays()
    sharded = over(client, matrix, tmp_path, shards=2, **settings)
    model = in_process(matrix, **settings)
    same_bits(sharded, model)
    assert sharded.relaxation_ == model.relaxation_
    assert not any(client.has_what().values())


@pytest.mark.parametrize("solver", ["cholesky", "conjugate_gradient"])
def test_rungs_of_numpy_reach_the_objective_of_one_process(client, tmp_path, solver):
    matrix = plays(entries=20_000)
    settings = {"solver": solver, "factors": 7, "iterations": 2}
    sharded = over(client, matrix, tmp_path, calculate_training_loss=True, **settings)
    model = in_process(matrix, calculate_training_loss=True, **settings)
    np.testing.assert_allclose(sharded.loss_history_, model.loss_history_, rtol=1e-9)


@pytest.mark.parametrize(("shards", "groups"), [(1, 1), (4, 1), (2, 3)])
def test_bits_do_not_depend_on_homes_and_groups(client, tmp_path, shards, groups):
    matrix = plays(users=9000, items=8300)
    sharded = over(client, matrix, tmp_path, shards=shards, groups=groups)
    same_bits(sharded, in_process(matrix))


def test_a_hub_in_pieces_has_the_bits_of_one_process(client, tmp_path):
    rng = np.random.default_rng(2)
    users = np.concatenate([np.arange(70_000), rng.integers(0, 72_000, 40_000)])
    items = np.concatenate([np.full(70_000, 7), rng.integers(0, 2500, 40_000)])
    values = rng.integers(1, 9, len(users)).astype(np.float32)
    matrix = sparse.csr_matrix((values, (users, items)), shape=(72_000, 2500))
    sharded = over(client, matrix, tmp_path, factors=16, iterations=2, calculate_training_loss=True)
    assert sharded.facts.hubs == {"user": [], "item": [[7, matrix[:, 7].nnz]]}
    model = in_process(matrix, factors=16, iterations=2, calculate_training_loss=True)
    same_bits(sharded, model)
    np.testing.assert_allclose(sharded.loss_history_, model.loss_history_, rtol=1e-12)


def test_objective_and_early_stopping(client, tmp_path):
    matrix = plays()
    settings = {**USUAL, "iterations": 40, "early_stopping": 0.02}
    sharded = over(client, matrix, tmp_path, **settings)
    assert 2 <= sharded.iterations_ < 40
    before, last = sharded.loss_history_[-2:]
    assert before - last < 0.02 * before
    solver = sharded.to_model()
    whole = objective(*solver.weights(matrix), solver.user_factors, solver.item_factors)
    assert last == pytest.approx(whole, rel=1e-12)


def test_a_callback_ends_a_fit_and_resume_goes_on(client, tmp_path):
    matrix, seen = plays(), []

    def callback(iteration, seconds, loss):
        seen.append((iteration, loss))
        return iteration == 1

    first = over(client, matrix, tmp_path, callback=callback)
    assert (first.iterations_, seen) == (2, [(0, None), (1, None)])
    second = over(client, matrix, tmp_path, resume=True)
    assert second.iterations_ == 4
    same_bits(second, in_process(matrix))
    with pytest.raises(InputError, match="another fit: factors 33 there, 7 here"):
        over(client, matrix, tmp_path, resume=True, factors=7)


def test_a_row_that_is_not_finite_is_named(client, tmp_path):
    matrix = plays().tolil()
    matrix[4321, 3000] = 3e37
    ids = {"user_ids": [f"u{k}" for k in range(6000)], "item_ids": np.arange(4200)}
    blocks_of(matrix.tocsr(), 2, Folder(tmp_path).child("data"), **ids)
    with pytest.raises(
        NotFinite, match=r"factors of row \d+ \((user|item) id .*shard [01]\)"
    ) as raised:
        over(client, None, tmp_path, confidence="linear", factors=7)
    assert raised.value.side in ("user", "item")
    assert raised.value.row is not None


def test_nothing_is_left_in_dask_after_a_hundred_half_steps(client, tmp_path):
    over(client, plays(entries=5000), tmp_path, factors=4, iterations=50, checkpoint_every=0)
    assert not any(client.has_what().values())
    tasks = client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks))
    assert tasks == 0
    plugins = client.run(lambda dask_worker: [n for n in dask_worker.plugins if "halfstep" in n])
    assert not any(plugins.values())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"solver": "naive"}, "solver must be one whose rows can be shared"),
        ({"solver": "none"}, "solver must be one of"),
        ({"init_factors": (np.ones((2, 2)),) * 2}, "init_factors has no meaning.*: give init="),
        ({"warm_start": True}, "warm_start has no meaning.*: init= starts from another fit's"),
        ({"transform": "bm26"}, "transform must be None, bm25 or tfidf"),
        ({"checkpoint": "file"}, "eigenbasis: .*checkpoint"),
        ({"factors": 0}, "factors must be at least 1"),
        ({"random_state": np.random.default_rng()}, "random_state must be None or an int"),
        ({"early_stopping": 2}, "early_stopping must be between 0 and 1"),
        ({"groups": 0}, "groups must be at least 1"),
        ({"shards": 0}, "shards must be at least 1"),
        ({"shards": 1.5}, "shards must be an integer"),
        ({"patience": -1}, "patience must be at least 0 and finite"),
        ({"callback": 3}, "callback must be a function or None"),
        ({"storage_options": 3}, "storage_options must be a dict or None"),
        ({"wrong": 1}, "wrong"),
        ({"user": "u"}, "columns of a table, and source is a matrix"),
    ],
)
def test_bad_arguments_are_refused(client, tmp_path, settings, words):
    with pytest.raises(InputError, match=words):
        over(client, plays(entries=100), tmp_path, **settings)


def test_a_folder_that_workers_do_not_see_is_refused(client, tmp_path):
    with pytest.raises(InputError, match="must be one that all workers share; tcp://127"):
        over(client, plays(entries=100), "memory://not-shared")
    with pytest.raises(InputError, match="must be one that all workers share; tcp://127"):
        distributed.fit("table/*.parquet", client=client, folder="memory://not-shared")
    with pytest.raises(InputError, match="has no data of an earlier fit"):
        distributed.fit(None, client=client, folder=tmp_path)


def test_versions_must_be_the_same(client, tmp_path, monkeypatch):
    monkeypatch.setattr("halfstep.version.__version__", "0.0.0")
    with pytest.raises(InputError, match=r"halfstep must be the same on all workers: 0.0.0 here"):
        over(client, plays(entries=100), tmp_path)


def test_too_little_memory_is_said_before_the_fit(client, tmp_path, monkeypatch):
    client.run(lambda: __import__("os").environ.update(HALFSTEP_MEMORY_GB="0.000001"))
    try:
        with pytest.raises(
            InputError, match=r"worker tcp://.* needs .* are free: take more workers"
        ):
            over(client, plays(), tmp_path)
    finally:
        client.run(lambda: __import__("os").environ.pop("HALFSTEP_MEMORY_GB"))
