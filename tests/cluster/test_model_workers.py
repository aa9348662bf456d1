"""By Dask's workers a sharded model gives what one process gives, and nothing stays in Dask."""

import os
import signal
import threading
import time

import numpy as np
import pytest
from cases.cluster.models import LARGE, cut, having, lists_in, model_of, table_of
from distributed import Client, LocalCluster
from scipy import sparse

from halfstep.distributed import tasks
from halfstep.distributed.model import kept
from halfstep.distributed.storage import Folder
from halfstep.distributed.tasks import over_shards, tasks_at_once
from halfstep.errors import InputError
from halfstep.evaluation import evaluate


@pytest.fixture(scope="module")
def client():
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0"
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def case(tmp_path):
    model, matrix = model_of(LARGE, ties=True), having(LARGE)
    return model, matrix, cut(tmp_path / "fit", model, matrix, shards=5)


def no_tasks(client):
    """Return whether the scheduler knows no task, after a moment."""
    for _ in range(100):
        if not client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)):
            return True
        time.sleep(0.02)
    return False


class Late:
    """Two tasks, one of which runs until the other has failed, and what they and `forget` did."""

    entered, failed, calls = threading.Event(), threading.Event(), []

    @staticmethod
    def run(fails):
        if fails:
            Late.entered.wait(10)
            raise InputError("this one fails")
        Late.entered.set()
        Late.failed.wait(10)
        Late.calls.append("ran")

    @staticmethod
    def forget():
        Late.calls.append("forgotten")


def nothing_kept():
    """Return whether the workers, which are threads here, keep no factors, after a moment."""
    for _ in range(500):
        if not kept._items:
            return True
        time.sleep(0.02)
    return False


def test_lists_are_those_of_one_process(client, case, tmp_path):
    model, matrix, sharded = case
    for _ in range(2):  # the second time the files are there
        done = sharded.recommend_all(str(tmp_path / "lists"), 8, client=client, show_progress=False)
        assert done.rows == 8 * LARGE[0]
        lists = lists_in(Folder(tmp_path / "lists"), sharded)
        assert lists.to_pydict() == table_of(model, matrix, 8)
    assert no_tasks(client)
    assert nothing_kept()


def test_numbers_are_those_of_one_process(client, case):
    model, matrix, sharded = case
    rng = np.random.default_rng(2)
    test = sparse.csr_matrix(sparse.random_array(LARGE, density=0.01, rng=rng), dtype=np.float32)
    found = sharded.evaluate(test, overlap="drop", client=client, show_progress=False)
    expected = evaluate(model.user_factors, model.item_factors, matrix, test, overlap="drop")
    assert found.means() == expected.means()
    assert found.coverage == expected.coverage
    assert no_tasks(client)


def test_an_error_of_a_worker_is_that_of_one_process(client, case, tmp_path):
    _, _, sharded = case
    Folder(tmp_path / "fit").remove("model/user-00003.npy")
    with pytest.raises(InputError, match=r"user-00003.npy is missing: fit again"):
        sharded.recommend_all(str(tmp_path / "lists"), client=client, show_progress=False)
    assert no_tasks(client)
    assert nothing_kept()


def test_what_still_runs_after_an_error_keeps_nothing(client):
    Late.calls.clear()
    with pytest.raises(InputError, match="this one fails"):
        over_shards(
            client, Late.run, [(True,), (False,)], "lists", show_progress=False, forget=Late.forget
        )
    assert not Late.calls
    Late.failed.set()
    for _ in range(500):
        if len(Late.calls) == 2:
            break
        time.sleep(0.02)
    assert Late.calls == ["ran", "forgotten"]
    assert not tasks._running
    assert not tasks._waiting


def test_tasks_share_the_cores_of_a_machine(client):
    assert tasks_at_once(client) == 2


@pytest.mark.soak
def test_a_killed_worker_costs_its_shards_only(tmp_path):
    model, matrix = model_of((6000, 3000), factors=64), having((6000, 3000))
    sharded = cut(tmp_path / "fit", model, matrix, shards=12)
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as client,
    ):
        pids = client.run(os.getpid)
        killer = threading.Timer(1.0, os.kill, (next(iter(pids.values())), signal.SIGKILL))
        killer.start()
        sharded.recommend_all(str(tmp_path / "lists"), 8, client=client, show_progress=False)
        killer.join()
    lists = lists_in(Folder(tmp_path / "lists"), sharded)
    assert lists.to_pydict() == table_of(model, matrix, 8)
