"""Names of items from a second table."""

import gzip

import pandas as pd
import pytest

from halfstep import load_data
from halfstep.errors import InputError


@pytest.fixture
def plays(tmp_path):
    path = tmp_path / "plays.csv"
    path.write_text("user,article_id,plays\nu,7,1\nu,8,2\nv,9,3\n")
    return path


def names(plays, catalogue):
    return load_data(plays, item_names=catalogue).item_names.tolist()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b'article_id,colour,title\n8,red,"B, b"\n7,blue, A \n10,red,X\n007,red,Y\n'),
        ("a.csv", b'colour,price,article_id,prod_name\nred,7,8,"B, b"\nred,8,7,A\n'),
        ("movies.dat", b"7::A::Drama|War\n8::B, b::Drama\n10::C::War\n"),
        ("u.item", b"7|A|01-Jan-1995||x\n8|B, b|01-Jan-1995||x\n"),
        ("names.tsv", b"A\t7\nB, b\t8\n"),
        ("names.csv.gz", gzip.compress(b'id;name\n8;"B, b"\n7;A\n', mtime=0)),
        ("a.csv", "article_id\ttitle\n8\tB, b\n7\tA\n".encode("utf-16")),
    ],
)
def test_a_table_of_names(tmp_path, plays, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    assert names(plays, path) == ["A", "B, b", ""]
    assert f"{name} names 2 of 3 items" in load_notes(plays, path)


def load_notes(plays, path):
    provenance = load_data(plays, item_names=path).provenance
    reading = provenance.get("reading")
    return [provenance["item_names"]] if reading is None else reading["notes"]


def test_columns_with_types(tmp_path, plays):
    frame = pd.DataFrame({"title": ["B", "A", None], "article_id": [8, 7, 9]})
    frame["title"] = frame["title"].astype("category")
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_feather(tmp_path / "a.feather")
    for end in ("parquet", "feather"):
        assert names(plays, str(tmp_path / f"a.{end}")) == ["A", "B", ""]


def test_windows_1252_and_names_of_the_first_table(tmp_path):
    plays = tmp_path / "plays.parquet"
    pd.DataFrame({"user": [1, 1], "track_id": ["x", "y"], "track_name": ["X", "Y"]}).to_parquet(
        plays
    )
    path = tmp_path / "a.csv"
    path.write_bytes("track_id,track_name\ny,Björk\n".encode("cp1252"))
    assert names(plays, path) == ["X", "Björk"]


def test_generated_data_take_names_too(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id,name\n" + "".join(f"{n},N{n}\n" for n in range(5000)))
    data = load_data("music-small", item_names=path)
    assert data.item_names[0] == f"N{data.item_ids[0]}"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("article_id,title\n70,A\n", ["none of the 3 items", "'7'", "'70'"]),
        ("article_id,colour,price\n7,red,5\n", ["'colour'", "'title'"]),
        ("hello\n", ["'hello'"]),
        ("", ["first line"]),
        ("a\0b,c\n", ["not a text file"]),
    ],
)
def test_what_is_refused(tmp_path, plays, content, words):
    path = tmp_path / "a.csv"
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        names(plays, path)
    for word in (str(path), *words):
        assert word in str(caught.value)
    with pytest.raises(InputError, match="no such file"):
        names(plays, tmp_path / "none.csv")
