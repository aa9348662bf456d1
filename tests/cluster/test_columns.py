"""Which columns a fit over workers takes: what is said, or found by known names as in one process."""

import logging

import numpy as np
import pandas as pd
import pytest

from halfstep import distributed, load_data
from halfstep.distributed.columns import Chosen, chosen, parquet_urls
from halfstep.distributed.storage import Folder
from halfstep.errors import InputError

FRAME = pd.DataFrame({"ts": [1, 2], "userID": [1, 2], "artist_name": ["a", "b"], "plays": [3, 4]})


def written(folder, frame=FRAME, **names):
    frame.rename(columns=names).to_parquet(folder / "table.parquet", index=False)
    return str(folder)


@pytest.mark.parametrize(
    ("names", "told", "found"),
    [
        ({}, {}, ("userID", "artist_name", "plays")),
        ({"plays": "kind"}, {}, ("userID", "artist_name", None)),
        ({}, {"value": False}, ("userID", "artist_name", None)),
        ({"ts": "count"}, {"value": False}, ("userID", "artist_name", None)),
        ({"ts": "count"}, {"value": "plays"}, ("userID", "artist_name", "plays")),
        ({"userID": "who"}, {"user": "WHO"}, ("who", "artist_name", "plays")),
        ({"userID": "who", "artist_name": "x"}, {"user": 2, "item": "3"}, ("who", "x", "plays")),
        ({"userID": "plays", "plays": "n"}, {"user": "plays", "value": False},
         ("plays", "artist_name", None)),
    ],
    ids=str,
)  # fmt: skip
def test_columns_are_those_of_one_process(tmp_path, names, told, found):
    columns = chosen(written(tmp_path, **names), None, **told)
    assert columns[:3] == found
    assert set(columns.unused) | set(columns[:3]) - {None} == set(FRAME.rename(columns=names))
    if told.get("value") is not False:
        reading = load_data(tmp_path / "table.parquet", **told).provenance["reading"]["columns"]
        assert [reading.get(role) for role in ("user", "item", "value")] == list(found)


@pytest.mark.parametrize(
    ("names", "told", "words"),
    [
        ({"userID": "x"}, {}, r"table.parquet': cannot tell which column is the user. The columns are "
         r"1 'ts', 2 'x', 3 'artist_name', 4 'plays'; say which .*--user-column"),
        ({"ts": "customer_id", "userID": "member"}, {}, None),
        ({"ts": "user"}, {}, r"several columns may be the user: 1 'user', 2 'userID'|"),
        ({"ts": "count"}, {}, r"several columns may be the value: 1 'count', 4 'plays'; say which"),
        ({}, {"user": "none"}, r"there is no column 'none'. The columns are 1 'ts', 2 'userID'"),
        ({}, {"user": "plays", "item": 4}, "user and item must be different columns"),
        ({}, {"user": True}, "user must be a column's name or number, got True"),
        ({}, {"value": True}, "value must be a column's name or number, got True"),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_told_lists_the_columns(tmp_path, names, told, words):
    table = written(tmp_path, **names)
    if words is None:
        assert chosen(table, None, **told).user == "customer_id"
    elif words.endswith("|"):
        assert chosen(table, None, **told).user in ("user", "userID")
    else:
        with pytest.raises(InputError, match=words):
            chosen(table, None, **told)


def test_sources_that_are_no_tables_are_named(tmp_path):
    (tmp_path / "plays.csv").write_text("user,item\n1,2\n")
    for source, words in [
        (str(tmp_path / "none*"), "no Parquet files match"),
        (
            str(tmp_path / "plays.csv"),
            "/plays.csv' cannot be read as Parquet: .*--data on the comm",
        ),
        (3, "source must be a path or pattern of Parquet files, .* got int"),
        ("nothing://x", "'nothing://x' cannot be opened"),
    ]:
        with pytest.raises(InputError, match=words):
            chosen(source, None)


def test_a_dataframe_is_asked_for_its_columns():
    import dask.dataframe as dd

    columns = chosen(dd.from_pandas(FRAME, npartitions=1), None)
    assert columns == Chosen("userID", "artist_name", "plays", ("ts",), False)


def test_files_of_a_folder_are_those_that_numbering_reads(tmp_path):
    (tmp_path / "year=1").mkdir()
    for name in ("b.parquet", "a.pq", "year=1/c.parquet"):
        FRAME.to_parquet(tmp_path / name)
    (tmp_path / "notes.txt").write_text("")
    found = [url.rpartition("/")[2] for url in parquet_urls(tmp_path, None)]
    assert found == ["a.pq", "b.parquet", "c.parquet"]


def test_options_go_to_sources_of_the_folder_s_kind_alone():
    bucket = Folder("s3://bucket/fit", {"key": "k"})
    assert bucket.options_for("s3://other/plays") == {"key": "k"}
    assert bucket.options_for("/plays") == {}
    assert bucket.options_for("gs://other/plays") == {}
    assert Folder("/fit", {"key": "k"}).options_for("s3://other/plays") == {}


def test_a_folder_is_read_without_what_others_have_not_finished(tmp_path):
    for name in ("a", "sub/b", "_temporary/c", ".d", "sub/_e"):
        path = tmp_path / f"{name}.parquet"
        path.parent.mkdir(exist_ok=True)
        FRAME.to_parquet(path, index=False)
    found = [url.rpartition("/")[2] for url in parquet_urls(tmp_path, None)]
    assert sorted(found) == ["a.parquet", "b.parquet"]


def test_a_fit_says_what_it_takes_and_that_it_added_ratings(client, tmp_path, caplog):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"user": rng.integers(0, 9, 60), "movie": rng.integers(0, 8, 60), "rating": 1.0}
    )
    table = written(tmp_path, frame)
    how = {"client": client, "factors": 2, "iterations": 1, "show_progress": False}
    with caplog.at_level(logging.INFO, "halfstep"):
        model = distributed.fit(table, folder=tmp_path / "fit", **how)
    assert "columns of the table: user: user, item: movie, value: rating" in caplog.text
    pairs = len(frame.drop_duplicates(["user", "movie"]))
    assert model.facts.entries == pairs
    assert (
        f"{60 - pairs} more rows of the same user and item: their values were added" in caplog.text
    )
    with pytest.raises(InputError, match="are columns of a table, and source is None"):
        distributed.fit(None, folder=tmp_path / "fit", user="user", **how)
