import numpy as np
import pandas as pd
import pytest

from halfstep import Dataset, load_data
from halfstep.datasets.tables.recency import recency_weights
from halfstep.errors import InputError

TEXT = """user,item,plays,timestamp
1,1,8,2024-01-11
1,1,8,2024-01-01
1,2,4,2024-01-01
2,2,3,2024-01-06
2,1,5,
"""


def values(data):
    dense = data.interactions.toarray()
    return {
        (int(u), int(i)): float(dense[row, column])
        for row, u in enumerate(data.user_ids)
        for column, i in enumerate(data.item_ids)
        if dense[row, column]
    }


def test_each_row_counts_by_its_age_before_rows_are_added(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(TEXT)
    found = values(load_data(path, half_life=10))
    # 8 of today and 8 of ten days ago; the row without a time is as old as the oldest.
    assert found == pytest.approx(
        {(1, 1): 12.0, (1, 2): 2.0, (2, 2): 3 * 2**-0.5, (2, 1): 2.5}, rel=1e-6
    )


def test_data_that_was_saved_with_its_times(tmp_path):
    source, saved = tmp_path / "log.csv", tmp_path / "log.npz"
    source.write_text(TEXT.replace("1,1,8,2024-01-01\n", ""))
    load_data(source).save(saved)
    assert values(load_data(saved, half_life=10)) == pytest.approx(
        values(load_data(source, half_life=10)), rel=1e-6
    )


def test_without_times(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("user,item,plays\n1,1,8\n2,1,1\n")
    with pytest.raises(InputError, match="--time-column"):
        load_data(path, half_life=10)
    with pytest.raises(InputError, match="--half-life"):
        load_data("music-small", half_life=10)
    matrix = tmp_path / "log.npz"
    load_data(path).save(matrix)
    with pytest.raises(InputError, match="--time-column"):
        load_data(matrix, half_life=10)
    with pytest.raises(InputError, match="no time is known"):
        recency_weights(np.array([np.nan]), 1.0)


def test_ratings_do_not_fade(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(TEXT.replace("plays", "rating"))
    with pytest.raises(InputError, match="ratings"):
        load_data(path, half_life=10)


def test_frames_fade_as_files_do(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(TEXT)
    frame = pd.read_csv(path)
    assert values(Dataset.from_frame(frame, half_life=10)) == pytest.approx(
        values(load_data(path, half_life=10)), rel=1e-6
    )
