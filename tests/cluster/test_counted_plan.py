"""The plan of blocks that exist, against rows counted one by one and against what fits exchange."""

import numpy as np
import pytest
from scipy import sparse

from halfstep.distributed.blocks import blocks_of
from halfstep.distributed.facts import Facts
from halfstep.distributed.fitting.gathering import WHOLE
from halfstep.distributed.planning.counted import plan_of
from halfstep.distributed.planning.share import bytes_of_row
from halfstep.distributed.storage import Folder
from halfstep.errors import InputError
from halfstep.kernels.cpu.scratch import padding

SIZE = {"user": 10, "item": 14}


@pytest.fixture
def matrix():
    return sparse.random(300, 170, 0.02, "csr", random_state=3)


def by_hand(matrix, facts, homes, side):
    """Return, for each worker, the rows that come to it from others when `side` is solved."""
    matrix = matrix if side == "user" else matrix.T.tocsr()
    own, other = facts.starts[side], facts.starts["item" if side == "user" else "user"]
    found = {}
    for worker in set(homes):
        here = [k for k, home in enumerate(homes) if home == worker]
        rows = np.concatenate([np.arange(own[k], own[k + 1]) for k in here])
        needed = np.unique(matrix[rows].indices)
        count = 0
        for k, home in enumerate(homes):
            if home != worker:
                inside = int(((needed >= other[k]) & (needed < other[k + 1])).sum())
                size = other[k + 1] - other[k]
                count += size if inside >= WHOLE * size else inside
        found[worker] = count
    return found


@pytest.mark.parametrize("homes", [["a", "b", "c", "d"], ["a", "b", "a", "b"], ["a"] * 4])
def test_each_needed_row_comes_once_to_a_worker(matrix, homes, tmp_path):
    folder = Folder(tmp_path)
    facts = blocks_of(matrix, 4, folder)
    plan = plan_of(folder, SIZE, homes=dict(enumerate(homes)))
    total = 0
    for side, size in SIZE.items():
        expected = by_hand(matrix, facts, homes, side)
        for worker, rows in expected.items():
            assert plan.received[side, worker].rows == rows
            assert plan.bytes_of(side, worker) == rows * size
            total += rows * size
    assert plan.bytes_per_iteration == total
    assert (total == 0) == (len(set(homes)) == 1)


def test_whole_slices_come_where_nearly_all_rows_are_needed(tmp_path):
    rng = np.random.default_rng(0)
    dense = sparse.csr_matrix((rng.random((60, 40)) < 0.5) * 1.0)
    folder = Folder(tmp_path)
    blocks_of(dense, 2, folder)
    for one in plan_of(folder, SIZE).received.values():
        assert (one.slices, one.lists) == (1, 0)
        assert one.rows >= one.needed


def test_groups_take_more_rows_in_all_and_hold_fewer_at_a_time(matrix, tmp_path):
    folder = Folder(tmp_path)
    blocks_of(matrix, 3, folder)
    one, three = plan_of(folder, SIZE), plan_of(folder, SIZE, groups=3)
    assert three.bytes_per_iteration > one.bytes_per_iteration
    for key, received in three.received.items():
        assert received.gathered < one.received[key].gathered


def test_hubs_need_rows_where_their_pieces_are(tmp_path):
    rng = np.random.default_rng(1)
    dense = (rng.random((400, 60)) < 0.03) * 1.0
    dense[:, 5] = 1
    matrix, folder = sparse.csr_matrix(dense), Folder(tmp_path)
    facts = blocks_of(matrix, 3, folder, hub_entries=150)
    assert facts.hubs["item"] == [[5, 400]]
    split, whole = plan_of(folder, SIZE), plan_of(folder, SIZE, splits=False)
    assert whole.received != split.received
    expected = by_hand(matrix, facts, whole.homes, "item")
    assert {w: whole.received["item", w].rows for w in expected} == expected
    assert split.bytes_per_iteration < whole.bytes_per_iteration


def test_what_is_not_there_is_refused(matrix, tmp_path):
    with pytest.raises(InputError, match=r"facts\.json is missing"):
        plan_of(Folder(tmp_path), SIZE)
    blocks_of(matrix, 2, Folder(tmp_path))
    with pytest.raises(InputError, match=r"a worker for each of 2 shards, got \[0\]"):
        plan_of(Folder(tmp_path), SIZE, homes={0: "a"})


def test_a_fit_exchanges_what_the_plan_says(matrix, tmp_path):
    pytest.importorskip("distributed")
    from halfstep.distributed import fit
    from halfstep.distributed.fitting.clusters import connected

    with connected(workers=2) as client:
        fit(matrix, folder=tmp_path, client=client, factors=9, compress=True, iterations=2, shards=4,
            random_state=0, show_progress=False)  # fmt: skip
        told = [event["bytes"] for _, event in client.get_events("halfstep")]
    folder = Folder(tmp_path).child("data")
    facts = Facts.read(folder)
    homes = {k: f"worker {k % 2}" for k in range(facts.shards)}
    size = bytes_of_row(9, multiple=padding(np.float32))
    plan = plan_of(folder, {"user": size, "item": size}, homes=homes)
    assert told == [plan.bytes_per_iteration] * 2
