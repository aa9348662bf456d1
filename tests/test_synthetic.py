import tracemalloc

import numpy as np
import pytest

from halfstep.datasets import PRESETS, load
from halfstep.datasets.synthetic import generate_music
from halfstep.errors import InputError


@pytest.fixture(scope="module")
def small():
    return load("music-small")


@pytest.mark.parametrize("entries", [1_000, 10_000, 100_000, 1_000_000])
def test_entries_within_five_per_cent(entries):
    dataset = generate_music(entries)
    assert abs(dataset.entries - entries) <= 0.05 * entries
    rows = np.diff(dataset.interactions.indptr)
    assert rows.min() >= 1
    assert dataset.interactions.data.min() >= 1


def test_same_arguments_same_data(small):
    again = generate_music(100_000, name="music-small")
    assert again.content_hash == small.content_hash
    assert np.array_equal(again.item_names, small.item_names)
    assert np.array_equal(again.user_ids, small.user_ids)


@pytest.mark.parametrize(
    "change", [{"entries": 100_001}, {"seed": 1}, {"users": 2001}, {"items": 4001}]
)
def test_every_parameter_changes_the_data(small, change):
    arguments = {"entries": 100_000} | change
    other = generate_music(arguments.pop("entries"), **arguments)
    assert other.content_hash != small.content_hash


def test_name_is_the_name():
    assert generate_music(1_000, name="tiny").name == "tiny"
    assert generate_music(1_000, seed=3).name == "music-1000-3"


def test_matrix_is_canonical(small):
    matrix = small.interactions.copy()
    matrix.has_canonical_format = False
    before = matrix.nnz
    matrix.sum_duplicates()
    assert matrix.nnz == before
    assert np.array_equal(matrix.indices, small.interactions.indices)
    assert matrix.indices.dtype == np.int32
    assert matrix.data.dtype == np.float32


def test_activity_is_log_normal(small):
    activity = np.log(np.diff(small.interactions.indptr))
    assert activity.std() == pytest.approx(1.2, abs=0.12)
    skew = np.mean((activity - activity.mean()) ** 3) / activity.std() ** 3
    assert abs(skew) < 0.4


def test_popularity_has_a_head_and_a_tail(small):
    audience = np.sort(np.bincount(small.interactions.indices, minlength=small.items))[::-1]
    assert 0.1 < audience[0] / small.users < 0.3
    ranks = np.arange(100, 2000)
    slope = np.polyfit(np.log(ranks), np.log(audience[ranks]), 1)[0]
    assert -1.3 < slope < -0.5


def test_plays_are_mostly_few_and_sometimes_thousands(small):
    plays = small.interactions.data
    assert 0.65 < np.mean(plays <= 10) < 0.85
    assert 12 < plays.mean(dtype=np.float64) < 19
    assert plays.max() > 1000
    assert np.array_equal(plays, np.rint(plays))


def test_index_does_not_reveal_popularity(small):
    audience = np.bincount(small.interactions.indices, minlength=small.items)
    correlation = np.corrcoef(np.arange(small.items), audience)[0, 1]
    assert abs(correlation) < 4 / np.sqrt(small.items)


def test_names_are_distinct_and_carry_the_planted_genre(small):
    assert len(set(small.item_names)) == small.items
    genres = np.array([name.rpartition("(")[2] for name in small.item_names])
    names, genre = np.unique(genres, return_inverse=True)
    matrix = small.interactions
    rows = np.repeat(np.arange(small.users), np.diff(matrix.indptr))
    table = np.zeros((small.users, len(names)))
    np.add.at(table, (rows, genre[matrix.indices]), 1)
    active = table.sum(axis=1) >= 30
    share = (table[active].max(axis=1) / table[active].sum(axis=1)).mean()
    assert share > 3 * (table.sum(axis=0) / table.sum()).max()


def test_memory_is_the_result_and_one_block():
    tracemalloc.start()
    dataset = generate_music(4_000_000, users=30_000, items=15_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # A block of 2^20 entries needs about 70 bytes for each of them while it is drawn.
    assert peak < 10 * dataset.entries + 100 * 2**20


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"entries": -5}, "entries"),
        ({"entries": 2_000_000_000}, "entries"),
        ({"entries": 1e5}, "entries"),
        ({"entries": 10_000, "users": 0}, "users"),
        ({"entries": 10_000, "items": 3}, "items"),
        ({"entries": 10_000, "users": 100, "items": 100}, "eighth"),
        ({"entries": 10_000, "seed": -1}, "seed"),
    ],
)
def test_bad_arguments(arguments, word):
    arguments = dict(arguments)
    with pytest.raises(InputError, match=word) as caught:
        generate_music(arguments.pop("entries"), **arguments)
    assert "\n" not in str(caught.value)


def test_presets_tell_their_shape(small):
    assert set(PRESETS) == {"music-small", "music-medium", "music-full"}
    assert f"{small.users:,} users x {small.items:,} artists" in PRESETS["music-small"]
    assert small.name == "music-small"
    assert small.provenance["seed"] == 0
