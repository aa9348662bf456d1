import gzip

import pytest

from halfstep.datasets import load

EXPECTED = [(1, 10, 5.0), (1, 20, 2.0), (2, 10, 1.0)]


def entries(dataset):
    matrix = dataset.interactions.tocoo()
    users, items = dataset.user_ids[matrix.row], dataset.item_ids[matrix.col]
    return sorted(zip(users.tolist(), items.tolist(), matrix.data.tolist(), strict=True))


_LATER = "1400000000"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "user,item,rating\n1,10,5\n1,20,2\n2,10,1\n"),
        ("a.csv", "Movie ID,Play-Count,userID\n10,5,1\n20,2,1\n10,1,2\n"),
        ("a.tsv", "1\t10\t5\n1\t20\t2\n2\t10\t1"),
        ("u.data", f"1\t10\t5\t{_LATER}\n1\t20\t2\t{_LATER}\n2\t10\t1\t{_LATER}\n"),
        ("ratings.dat", f"1::10::5::{_LATER}\n1::20::2::{_LATER}\n2::10::1::{_LATER}\n"),
        ("a.txt", "1 10 5\r\n1 20 2\r\n2 10 1\r\n"),
        ("a.txt", "  1   10 5\n1 20    2 \n\n2 10 1\n\n"),
        ("a.csv", "1,10,4\n1,20,2\n2,10,1e0\n1,10,1\n"),
        ("a.csv", "user,note,item,plays\n1,true,10,5\n1,,20,2\n2,NaN,10,1\n"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_the_same_table_in_many_forms(tmp_path, name, text, packed):
    path = tmp_path / (name + ".gz" * packed)
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    dataset = load(path)
    assert entries(dataset) == EXPECTED
    assert dataset.provenance["malformed"] == {}
    assert dataset.name == name.partition(".")[0]


def test_without_values_rows_count(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("user_id,artist\n3,a b\n3,a b\n1,é\n", encoding="utf-8")
    assert entries(load(path)) == [(1, "é", 1.0), (3, "a b", 2.0)]


def test_text_ids(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('user,item,value\n007,"x, y",1\n7,x,2.5\n7,"x, y",4\nnull,x,1\n7,,1\n')
    dataset = load(path)
    assert entries(dataset) == [("007", "x, y", 1.0), ("7", "x", 2.5), ("7", "x, y", 4.0)]
    assert dataset.provenance["malformed"] == {"a.csv": {"missing user": 1, "missing item": 1}}
    assert dataset.user_index("7") == 1


def test_one_late_text_id_makes_all_text(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("user,item\n" + "1,02\n" * 1500 + "x1,3\n")
    dataset = load(path)
    assert dataset.user_ids.tolist() == ["1", "x1"]
    assert dataset.item_ids.tolist() == ["02", "3"]
    assert dataset.interactions.data.tolist() == [1500, 1]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("1,10", "missing fields"),
        ("1,10,5,6", "extra fields"),
        ("1,10,nan", "missing value"),
        ("1,10,inf", "value not a number"),
        ("1,10,1e999", "infinite value"),
        ("1,10,5x", "value not a number"),
        ("1,10,", "missing value"),
        ("1,,3", "missing item"),
        ("NaN,10,3", "missing user"),
        ("-1,10,3", "negative user"),
        ('1,"10"x,3', "a quote in the wrong place"),
    ],
)
@pytest.mark.parametrize("place", [1, 2])
def test_no_malformed_line_gets_through(tmp_path, line, kind, place):
    lines = ["1,10,5", "1,20,2", "2,10,1"]
    lines.insert(place, line)
    path = tmp_path / "a.csv"
    path.write_text("user,item,rating\n" + "\n".join(lines) + "\n")
    dataset = load(path)
    assert entries(dataset) == EXPECTED
    assert dataset.provenance["malformed"] == {"a.csv": {kind: 1}}
    assert dataset.provenance["rows"] == 4


@pytest.mark.parametrize("line", ["a,b,x", "a,b", "a,b,inf", 'a,"b"\n', "a,b,2,3"])
def test_no_malformed_line_gets_through_among_text_ids(tmp_path, line):
    path = tmp_path / "a.csv"
    path.write_text(f"user,item,value\nu,i,1\n{line}\nv,i,2\n")
    dataset = load(path)
    assert entries(dataset) == [("u", "i", 1.0), ("v", "i", 2.0)]
    assert sum(dataset.provenance["malformed"]["a.csv"].values()) == 1
