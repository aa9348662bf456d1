"""A fit that starts from another model's factors, by the ids of its users and items."""

import logging

import numpy as np
import pandas as pd
import pytest
from cases.cluster.fits import in_process, plays, same_bits

from halfstep import Recommender, distributed
from halfstep.datasets.dataset import Dataset
from halfstep.distributed.blocks import join
from halfstep.distributed.fitting.driver import Driver
from halfstep.distributed.fitting.initial import take_rows
from halfstep.distributed.ids import ids_of_shard
from halfstep.errors import InputError

pytestmark = pytest.mark.usefixtures("by_blocks")

HOW = {"factors": 6, "confidence": "log", "regularization": 20.0}


def data(users=300, items=200, text=False, seed=0):
    """Return a data set whose ids are not the numbers of its rows."""
    matrix = plays(users=users, items=items, entries=10 * users, seed=seed).tolil()
    matrix[5, 17] = 3  # nobody and nothing is without entries
    matrix = matrix.tocsr()
    user_ids, item_ids = 7 * np.arange(users)[::-1] + 1000, 3 * np.arange(items) + 50
    if text:
        user_ids, item_ids = (np.array(ids.astype(str), object) for ids in (user_ids, item_ids))
    return Dataset("plays", matrix, user_ids, item_ids)


def fit(client, source, folder, **settings):
    more = {
        "client": client,
        "show_progress": False,
        "random_state": 0,
        "iterations": 2,
        **HOW,
        **settings,
    }
    return distributed.fit(source, folder=folder, **more)


def factors_by_id(model, side):
    """Return {id: factors} of a sharded model."""
    whole = getattr(model.to_model(), f"{side}_factors")
    shards = range(model.facts.shards)
    ids = [i for k in shards for i in ids_of_shard(model.folder, model.facts, side, k).to_pylist()]
    return dict(zip(map(str, ids), whole, strict=True))


def frame_of(dataset):
    entries = dataset.interactions.tocoo()
    return pd.DataFrame(
        {
            "user": dataset.user_ids[entries.row],
            "item": dataset.item_ids[entries.col],
            "plays": entries.data,
        }
    )


@pytest.fixture(scope="module")
def earlier(client, tmp_path_factory):
    """A fit of three shards, whose rows are in the order of the numbered table."""
    folder = tmp_path_factory.mktemp("earlier")
    frame_of(data()).to_parquet(folder / "plays.parquet")
    return fit(client, str(folder / "plays.parquet"), folder / "fit", shards=3)


@pytest.mark.parametrize("resumed", [False, True])
def test_bits_are_those_of_a_warm_start_of_a_loaded_model(client, earlier, tmp_path, resumed):
    if resumed:  # after an iteration, from the manifest
        fit(client, data(), tmp_path / "fit", init=earlier, iterations=1)
    later = fit(client, data(), tmp_path / "fit", init=earlier, iterations=3, resume=resumed)
    sides = []
    for side, ids in (("user", data().user_ids), ("item", data().item_ids)):
        known = factors_by_id(earlier, side)
        sides.append(np.array([known[str(one)] for one in ids]))
    model = in_process(data().interactions, iterations=3, **{**HOW, "init_factors": tuple(sides)})
    same_bits(later, model)
    anew = fit(client, data(), tmp_path / "anew", iterations=3).to_model()
    assert (anew.item_factors != model.item_factors).any()
    if not resumed:
        with pytest.raises(InputError, match=r"another fit: init '.*' there, None here"):
            fit(client, None, tmp_path / "fit", resume=True, iterations=4)


def test_new_rows_are_drawn_and_others_taken_by_id_whatever_its_type(
    client, earlier, tmp_path, caplog
):
    later = data(users=400, items=250, text=True)
    with caplog.at_level(logging.INFO, "halfstep"):
        found = fit(client, later, tmp_path, init=str(earlier.folder.url), iterations=0)
    assert "300 of 400 users and 200 of 250 items start from the factors of <Sh" in caplog.text
    drawn = fit(client, later, tmp_path / "anew", iterations=0)
    for side in ("user", "item"):
        known, new = factors_by_id(earlier, side), factors_by_id(drawn, side)
        for one, row in factors_by_id(found, side).items():
            np.testing.assert_array_equal(row, known.get(one, new[one]))


def test_a_model_of_one_process_is_cut_into_shards(client, tmp_path):
    of = data()
    recommender = Recommender(in_process(of.interactions, iterations=2, **HOW), of)
    recommender.save(tmp_path / "model.npz")
    for init in (recommender, tmp_path / "model.npz"):
        found = fit(client, of, tmp_path / "fit", init=init, iterations=1)
        model = recommender.model
        sides = model.user_factors, model.item_factors
        same_bits(
            found, in_process(of.interactions, iterations=1, **{**HOW, "init_factors": sides})
        )


def test_factors_of_another_dtype_are_rounded_and_must_fit(client, earlier, tmp_path):
    found = fit(client, data(), tmp_path, init=earlier, iterations=0, dtype="float64")
    assert found.to_model().user_factors.dtype == np.float64
    ids = ids_of_shard(earlier.folder, earlier.facts, "user", 2)
    X = np.zeros((len(ids), 6), np.float16)
    assert take_rows(earlier.folder, earlier._record, "user", ids, X, where=0.7) == len(ids)
    assert X.any(axis=1).all()
    large = Recommender(
        in_process(data().interactions, iterations=0, dtype="float64", **HOW), data()
    )
    large.model.user_factors = large.model.user_factors + 1e300
    with pytest.raises(
        InputError, match=r"init: the user factors of row \d+ must be finite in float32"
    ):
        fit(client, data(), tmp_path, init=large)


def test_what_cannot_be_started_from_is_refused_before_data_are_touched(client, earlier, tmp_path):
    of = data()
    for init, how, words in [
        (earlier, {"factors": 7}, "init has 6 factors, and factors is 7: set factors=6"),
        (tmp_path / "none", {}, "has no model, since model/model.json is missing"),
        (tmp_path / "none.npz", {}, "none.npz"),
        (earlier.to_model(), {}, "a solver alone has no ids to find its rows by.*got Eigenbasis"),
        (3, {}, "init must be a ShardedModel, a Recommender, or the path of one.*got int"),
    ]:
        with pytest.raises(InputError, match=words):
            fit(client, of, tmp_path / "fit", init=init, **how)
    assert not (tmp_path / "fit").exists()
    before = (join(earlier.folder.child("data")) != 0).sum()
    with pytest.raises(InputError, match="init must be a model in another folder than the fit's"):
        fit(client, data(seed=1), earlier.folder.url, init=earlier)
    assert (join(earlier.folder.child("data")) != 0).sum() == before
    other = Dataset("other", of.interactions, of.user_ids + 10**6, of.item_ids + 10**6)
    with pytest.raises(InputError, match="init has 0 of 300 users and 0 of 200 items of the data"):
        fit(client, other, tmp_path / "fit", init=earlier)


def forgets(name, dask_worker=None):
    """Let this worker have what a process in place of a lost one has."""
    for one in dask_worker.plugins[name].sides.values():
        one.put(np.full_like(one.X, np.nan), -3)


def test_what_is_lost_before_the_first_half_step_starts_from_the_model_again(
    client, earlier, tmp_path, monkeypatch
):
    begin = Driver.begin

    def begin_and_lose(driver, manifest):
        begin(driver, manifest)
        driver.client.run(forgets, driver.job.name)
        driver.recovery.bring_to(0)

    with monkeypatch.context() as patch:
        patch.setattr(Driver, "begin", begin_and_lose)
        found = fit(client, data(), tmp_path / "a", init=earlier, iterations=1, checkpoint_every=0)
    same_bits(found, fit(client, data(), tmp_path / "b", init=earlier, iterations=1).to_model())
