"""The expected share of rows that a machine needs, against what blocks of generated data name."""

import numpy as np
import pytest

from halfstep import load_data
from halfstep.distributed.blocks import blocks_of
from halfstep.distributed.planning.counted import plan_of
from halfstep.distributed.planning.share import bytes_of_row, lognormal_degrees, share_needed
from halfstep.distributed.storage import Folder

SIZE = {"user": 256, "item": 256}
# A shard is consecutive rows, and rows of one machine have their own tastes in the generated data.
TOLERANCE = 0.012


def check(name, shards, folder):
    matrix = load_data(name).interactions.tocsr()
    degrees = {"item": np.diff(matrix.indptr), "user": np.diff(matrix.tocsc().indptr)}
    for count in shards:
        blocks_of(matrix, count, folder)
        counted = plan_of(folder, SIZE)
        for side, given in degrees.items():  # to solve the items, rows of users are needed
            expected = share_needed(given, 1 / count)
            assert counted.share(side) == pytest.approx(expected, abs=TOLERANCE), (count, side)


def test_the_expected_share_is_the_counted_one(tmp_path):
    check("music-small", (2, 4, 16, 64), Folder(tmp_path))


@pytest.mark.soak
def test_the_expected_share_is_the_counted_one_of_five_million_entries(tmp_path):
    check("music-medium", (2, 4, 8, 16, 32, 64), Folder(tmp_path))


def test_a_share_grows_with_the_part_and_with_the_degrees():
    degrees = np.array([0, 1, 2, 50])
    assert share_needed(degrees, 1.0) == 0.75
    assert share_needed(degrees, 0.5) == pytest.approx((0.5 + 0.75 + 1) / 4)
    shares = [share_needed(degrees, 1 / count) for count in (1, 2, 4, 100)]
    assert shares == sorted(shares, reverse=True)
    assert share_needed([], 0.5) == share_needed([], 1.0) == 0


def test_draws_agree_with_the_formula():
    rng = np.random.default_rng(0)
    degrees = np.maximum(1, rng.lognormal(1, 1.5, 5000).astype(int))
    rows = np.repeat(np.arange(5000), degrees)
    taken = rows[rng.random(len(rows)) < 1 / 8]
    assert len(np.unique(taken)) / 5000 == pytest.approx(share_needed(degrees, 1 / 8), abs=0.015)


@pytest.mark.parametrize("sigma", [0.0, 0.5, 1.2])
def test_a_log_normal_distribution_has_its_mean_and_spread(sigma):
    degrees = lognormal_degrees(100, sigma)
    assert degrees.mean() == pytest.approx(100, rel=0.01)
    assert np.log(degrees).std() == pytest.approx(sigma, abs=0.01)


def test_a_row_that_travels_is_padded_where_it_is_packed():
    assert bytes_of_row(128) == bytes_of_row(97) == 256
    assert bytes_of_row(33, multiple=16) == 96
    assert bytes_of_row(33, packed=False) == 132
    assert bytes_of_row(33, "float64", packed=False) == 264
