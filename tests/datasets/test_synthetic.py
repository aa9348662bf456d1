import tracemalloc

import numpy as np
import pytest

from halfstep import SOLVERS
from halfstep.datasets import PRESETS, load
from halfstep.datasets.generated.listeners import _with_tail
from halfstep.datasets.generated.presets import generate_music
from halfstep.errors import InputError
from halfstep.solvers.objective import objective


@pytest.fixture(scope="module")
def small():
    return load("music-small")


@pytest.fixture(scope="module")
def plays():
    return load("plays-small")


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
    "change", [{"entries": 100_001}, {"seed": 1}, {"users": 2001}, {"items": 4001}, {"tail": 1.2}]
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


def test_music_is_what_it_was(small):
    # The bits that published measurements were taken on.
    assert small.content_hash.startswith("844af985c4c88773")


def test_plays_are_those_of_the_same_listeners_with_a_heavier_tail(small, plays):
    assert np.array_equal(plays.interactions.indptr, small.interactions.indptr)
    assert np.array_equal(plays.interactions.indices, small.interactions.indices)
    again = generate_music(100_000, tail=1.2)
    assert again.name == "plays-100000-0"
    assert again.content_hash == plays.content_hash
    assert again.provenance["tail"] == 1.2
    assert "tail" not in small.provenance


def test_plays_have_the_counts_of_the_heaviest_listeners(plays):
    # Of the dump's 50 heaviest listeners: median 7, 90 % 151, 99 % 1,707, 99.9 % 9,568, 18 % ones.
    counts = plays.interactions.data
    assert np.array_equal(counts, np.rint(counts))
    assert counts.min() == 1
    assert 100_000 < counts.max() <= 500_000
    found = np.quantile(counts, [0.5, 0.9, 0.99, 0.999])
    assert np.all(found > [5, 75, 850, 5_000])
    assert np.all(found < [11, 225, 2_500, 15_000])
    assert 0.15 < np.mean(counts == 1) < 0.35
    assert np.std(np.log(counts)) == pytest.approx(1.92, abs=0.15)


def hill(counts, share):
    """Estimate the exponent of a tail from the largest `share` of the counts."""
    ordered = np.sort(counts)[::-1].astype(np.float64)
    most = int(share * len(ordered))
    return 1 / np.log(ordered[:most] / ordered[most]).mean()


@pytest.mark.parametrize("tail", [1.2, 2.0])
def test_noise_has_a_pareto_tail_of_the_exponent_asked_for(tail):
    spread = 1.5
    body = spread * np.random.default_rng(0).standard_normal(1_000_000)
    noise = _with_tail(body.copy(), spread, tail)
    start = tail * spread**2
    assert np.array_equal(noise[body <= start], body[body <= start])
    # Of an exponential law with this rate the mean excess is 1 / rate over every threshold.
    for threshold in (start, start + 0.5):
        above = noise[noise > threshold] - threshold
        assert above.mean() == pytest.approx(1 / tail, rel=5 / np.sqrt(len(above)))


def test_plays_have_the_tail_of_audioscrobblers(plays):
    # There the largest 0.1, 0.5 and 1 % of the counts give 1.22, 1.31 and 1.23.
    assert 1.05 < hill(plays.interactions.data, 0.002) < 1.4
    lighter = generate_music(100_000, tail=2.0).interactions.data
    assert hill(lighter, 0.002) > hill(plays.interactions.data, 0.002) + 0.2


def test_log_normal_plays_have_a_lighter_tail(small):
    assert hill(small.interactions.data, 0.002) > 1.7


def test_listeners_and_artists_carry_the_plays(plays):
    matrix = plays.interactions
    rows = np.repeat(np.arange(plays.users), np.diff(matrix.indptr))
    logarithm = np.log(matrix.data)
    mean = np.bincount(rows, logarithm) / np.bincount(rows)
    many = np.bincount(rows) >= 5
    assert mean[many].std() == pytest.approx(1.1, abs=0.15)
    audience = np.log(np.bincount(matrix.indices, minlength=plays.items)[matrix.indices])
    assert 0.1 < np.corrcoef(logarithm - mean[rows], audience)[0, 1] < 0.35


def test_two_steps_are_not_enough_for_plays_and_are_for_music(small, plays):
    def objective_of(matrix, **how):
        model = SOLVERS["eigenbasis"](
            factors=32, iterations=12, random_state=0, num_threads=1, relaxation=1.0, **how
        )
        model.fit(matrix, show_progress=False)
        return objective(*model.weights(matrix), model.user_factors, model.item_factors)

    def ratio(matrix):
        return objective_of(matrix, cg_steps=2) / objective_of(matrix, exact=True)

    assert ratio(plays.interactions) > 1.05
    assert ratio(small.interactions) < 1.03


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
        ({"entries": 10_000, "tail": 0.5}, "tail"),
        ({"entries": 10_000, "tail": float("nan")}, "tail"),
        ({"entries": 10_000, "tail": "1.2"}, "tail"),
    ],
)
def test_bad_arguments(arguments, word):
    arguments = dict(arguments)
    with pytest.raises(InputError, match=word) as caught:
        generate_music(arguments.pop("entries"), **arguments)
    assert "\n" not in str(caught.value)


def test_presets_tell_their_shape(small, plays):
    music = {"music-small", "music-medium", "music-full"}
    assert set(PRESETS) == music | {"plays-small", "plays-medium"}
    assert f"{small.users:,} users x {small.items:,} artists" in PRESETS["music-small"]
    assert f"{plays.users:,} users x {plays.items:,} artists" in PRESETS["plays-small"]
    assert (small.name, plays.name) == ("music-small", "plays-small")
    assert small.provenance["seed"] == 0
