"""The lists of a sharded model are those of one process, bits and ties included."""

import numpy as np
import pytest
from cases.cluster.models import LARGE, SMALL, cut, having, ids_of, lists_in, model_of, table_of

from halfstep.distributed.model import kept
from halfstep.distributed.storage import Folder
from halfstep.errors import InputError


def written(sharded, folder, **options):
    options.setdefault("show_progress", False)
    done = sharded.recommend_all(str(folder), **options)
    return done, lists_in(Folder(str(folder)), sharded)


@pytest.fixture(params=["all at once", "shard by shard"])
def items_come(request, monkeypatch):
    if request.param == "shard by shard":
        # Less than the items' factors take, so that they come shard by shard.
        monkeypatch.setattr(kept, "SHARE", 0.0)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("liked", [True, False])
def test_lists_are_those_of_one_process(tmp_path, items_come, ties, liked):
    model, matrix = model_of(LARGE, ties=ties), having(LARGE)
    sharded = cut(tmp_path / "fit", model, matrix)
    done, table = written(
        sharded, tmp_path / "lists", N=9, filter_already_liked_items=liked, num_threads=1
    )
    assert table.to_pydict() == table_of(model, matrix, 9, liked=liked)
    assert done == (LARGE[0], 9 * LARGE[0], 0)


def test_few_users_and_items_have_the_bits_of_one_product(tmp_path):
    model, matrix = model_of(SMALL, factors=33), having(SMALL)
    sharded = cut(tmp_path / "fit", model, matrix)
    _, table = written(sharded, tmp_path / "lists", N=5)
    assert table.to_pydict() == table_of(model, matrix, 5)


def test_text_ids_float64_and_a_user_in_pieces(tmp_path, items_come):
    model, matrix = model_of(LARGE, dtype=np.float64), having(LARGE)
    sharded = cut(tmp_path / "fit", model, matrix, shards=2, text=True, hub_entries=100)
    assert [row for row, _ in sharded.facts.hubs["user"]] == [2]
    _, table = written(sharded, tmp_path / "lists", N=4)
    assert table.to_pydict() == table_of(model, matrix, 4, text=True)


@pytest.mark.parametrize("N", [300, LARGE[1] + 5])
def test_long_lists_end_where_no_item_is_left(tmp_path, items_come, N):
    model, matrix = model_of(LARGE, ties=True), having(LARGE)
    sharded = cut(tmp_path / "fit", model, matrix, shards=2)
    done, table = written(sharded, tmp_path / "lists", N=N)
    assert table.to_pydict() == table_of(model, matrix, N)
    assert done.short == (1 if N == 300 else (np.diff(matrix.indptr) > 0).sum())


def test_items_to_choose_among(tmp_path, items_come):
    model, matrix = model_of(LARGE, ties=True), having(LARGE)
    sharded = cut(tmp_path / "fit", model, matrix)
    among = np.array([400, 3, 9, 10, 11, 2, 77])
    chosen = ids_of(LARGE)[1][among]
    _, table = written(sharded, tmp_path / "lists", N=3, items=chosen)
    assert table.to_pydict() == table_of(model, matrix, 3, items=among)
    with pytest.raises(InputError, match=r"item ids must be .* 1 of 2 are not: 51 \(ids are int64"):
        sharded.recommend_all(str(tmp_path / "lists"), items=[50, 51])
    with pytest.raises(InputError, match="items must have at least one id"):
        sharded.recommend_all(str(tmp_path / "lists"), items=[])


def test_a_few_users_by_their_ids(tmp_path, items_come):
    model, matrix = model_of(LARGE), having(LARGE)
    sharded = cut(tmp_path / "fit", model, matrix, text=True, hub_entries=100)
    _, table = written(sharded, tmp_path / "lists", N=6)
    users = ids_of(LARGE, text=True)[0]
    asked = users[[600, 2, 300, 1, 2]].tolist()
    found = sharded.recommend(asked, 6).to_pandas()
    every = table.to_pandas()
    for place, user in enumerate(asked):
        mine = found[6 * place : 6 * place + 6].reset_index(drop=True)
        assert mine.equals(every[every.user == user].reset_index(drop=True))
    alone = sharded.recommend(asked[2], 6, filter_already_liked_items=False, items=["é50", "é53"])
    assert sorted(alone["item"].to_pylist()) == ["é50", "é53"]


def test_ids_are_numbers_or_their_text(tmp_path):
    sharded = cut(tmp_path / "fit", model_of(SMALL), having(SMALL))
    assert sharded.recommend(1007, 3).equals(sharded.recommend("1007", 3))
    for wrong in (1001, "é", True, "01007", None, 2**70):
        with pytest.raises(InputError, match="user ids must be among those of the fit, 1 of 2"):
            sharded.recommend([1007, wrong])
    with pytest.raises(InputError, match="N must be at least 1, got 0"):
        sharded.recommend(1007, 0)


def test_files_of_a_model_of_more_shards_go(tmp_path):
    model, matrix = model_of(SMALL), having(SMALL)
    for shards in (3, 2):
        sharded = cut(tmp_path / f"{shards}", model, matrix, shards=shards)
        written(sharded, tmp_path / "lists", N=5)
    names = sorted(path.name for path in (tmp_path / "lists").iterdir())
    assert names == ["recommendations-00000.parquet", "recommendations-00001.parquet"]


def test_nothing_is_kept_and_nothing_is_half_written(tmp_path):
    model, matrix = model_of(LARGE), having(LARGE)
    model.item_factors[7] = 3e38
    sharded = cut(tmp_path / "fit", model, matrix)
    with pytest.raises(InputError, match="scores must be finite"):
        sharded.recommend_all(str(tmp_path / "lists"))
    assert not kept._items
    assert not list((tmp_path / "lists").glob("*"))


def test_a_model_without_histories_says_so(tmp_path):
    sharded = cut(tmp_path / "fit", model_of(LARGE), having(LARGE))
    copy = sharded.save(tmp_path / "copy")
    with pytest.raises(InputError, match="without what its users have: load the folder of the fit"):
        copy.recommend_all(str(tmp_path / "lists"))
    done = copy.recommend_all(str(tmp_path / "lists"), filter_already_liked_items=False)
    assert done.rows == 10 * LARGE[0]
