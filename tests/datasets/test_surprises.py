"""What first shows late in a text table, or at its top, is read for what it is."""

import numpy as np
import pytest

from halfstep import load_data
from halfstep.errors import InputError

HEADER = "user,item,plays\n"
MANY = HEADER + "".join(f"{i % 50 + 1},{i % 97 + 1},{i % 7 + 1}\n" for i in range(1500))
MANY_LINES = 1501


def read(tmp_path, text, name="a.csv", written="utf-8", **said):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode(written))
    return load_data(path, **said)


def account(dataset):
    return dataset.provenance["reading"]


def value_of(dataset, user, item):
    return float(dataset.interactions[dataset.user_index(user), dataset.item_index(item)])


@pytest.mark.parametrize(
    ("line", "user", "item", "plays"),
    [
        ('7,"Crosby, Stills",3', "7", "Crosby, Stills", 3),
        ('7,"Tupac ""2Pac"" Shakur",3', "7", 'Tupac "2Pac" Shakur', 3),
        ('7,"two\nlines",3', "7", "two\nlines", 3),
        ('99,"5","1,234"', "99", "5", 1234),
    ],
)
def test_quotes_after_a_thousand_lines(tmp_path, line, user, item, plays):
    dataset = read(tmp_path, MANY + line + "\n")
    assert value_of(dataset, user, item) == plays
    assert account(dataset)["left_out"] == {}
    assert account(dataset)["rows"] == 1501


def test_late_quotes_between_tabs_are_quotes_only_if_they_close(tmp_path):
    tabs = MANY.replace(",", "\t")
    assert value_of(read(tmp_path, tabs + '7\t"a\tb"\t3\n'), "7", "a\tb") == 3
    assert value_of(read(tmp_path, tabs + '7\t"Weird" Al\t3\n'), "7", '"Weird" Al') == 3


def test_hexadecimal_and_padded_numbers_are_no_integers(tmp_path):
    dataset = read(tmp_path, MANY + "7,0x1F,3\n7,\t09,3\n")
    assert "0x1F" in dataset.item_ids.tolist()
    assert "09" in dataset.item_ids.tolist()
    assert account(read(tmp_path, MANY + "7,31,0x10\n"))["left_out"] == {"value not a number": 1}


def test_late_windows_1252(tmp_path):
    text = HEADER + "1,2,3\n" * 200_000 + '7, "Köln",3\n'
    dataset = read(tmp_path, text, written="cp1252")
    assert value_of(dataset, "7", "Köln") == 3
    assert "Windows-1252" in " ".join(account(dataset)["notes"])


def test_line_ends_of_two_kinds(tmp_path):
    dataset = read(tmp_path, MANY.encode() + b"7,98,5\r8,98,6\r\n9,98,7\n")
    assert [value_of(dataset, user, "98") for user in ("7", "8", "9")] == [5, 6, 7]


@pytest.mark.parametrize(
    ("end", "reason", "line"),
    [
        ("\n\n7,5\n8,9,1\n", "missing fields", MANY_LINES + 3),
        ("7,5\n", "missing fields", MANY_LINES + 1),
        ("7,5,6,7\n", "extra fields", MANY_LINES + 1),
        ("7,,3\n", "missing item", MANY_LINES + 1),
        ("8,9,1\n8,9,x\n", "value not a number", MANY_LINES + 2),
    ],
)
def test_line_numbers(tmp_path, end, reason, line):
    found = account(read(tmp_path, MANY + end))
    assert found["first"] == {reason: [line]}
    assert found["numbered"] == "line"


def test_a_header_in_the_middle(tmp_path):
    dataset = read(tmp_path, MANY + HEADER + "51,98,4\n")
    assert account(dataset)["left_out"] == {"the header again": 1}
    assert account(dataset)["first"] == {"the header again": [MANY_LINES + 1]}
    assert dataset.user_ids.dtype.kind == "i"
    assert value_of(dataset, "51", "98") == 4


def test_excel_says_the_separator(tmp_path):
    dataset = read(tmp_path, "sep=;\r\nuser;item\r\nu1;i1\r\nu2;i2\r\n")
    assert dataset.user_ids.tolist() == ["u1", "u2"]
    assert account(dataset)["separator"] == ";"


@pytest.mark.parametrize("rest", ["", ","])
def test_separators_at_the_end_of_lines_shift_no_column(tmp_path, rest):
    rows = "".join(f"{u},{i},{u % 5 + 1}{rest}\n" for u in range(7, 12) for i in (20, 31))
    dataset = read(tmp_path, "user_id,item_id,rating\n" + rows)
    assert dataset.user_ids.tolist() == [7, 8, 9, 10, 11]
    assert dataset.item_ids.tolist() == [20, 31]


def test_a_column_more_than_names_is_asked(tmp_path):
    with pytest.raises(InputError, match="names 3 columns"):
        read(tmp_path, "user_id,item_id,rating\n1,10,5,35\n1,11,4,2\n2,10,4,7\n")


def test_ids_that_begin_with_a_hash_are_no_comments(tmp_path):
    dataset = read(tmp_path, "#metal\talice\t3\n#jazz\tbob\t4\nrock\tbob\t1\n", "a.tsv")
    assert dataset.user_ids.tolist() == ["#jazz", "#metal", "rock"]
    dataset = read(tmp_path, "# by hand\n# user item plays\n1,2,3\n4,5,6\n")
    assert dataset.entries == 2
    assert "'# by hand' and 1 more" in account(dataset)["notes"][0]


def test_most_values_must_be_numbers(tmp_path):
    text = HEADER + "".join(f"{i},{i % 7},{'$' if i % 2 else ''}{i}\n" for i in range(100))
    with pytest.raises(InputError, match=r"'plays': 50 of 100 values are no numbers.*'\$1'"):
        read(tmp_path, text)
    assert read(tmp_path, text, allow_bad_lines=True).entries == 50


def test_a_comma_that_may_be_either_is_asked(tmp_path):
    rows = "user;item;plays\n1;2;1,234\n2;2;12,500\n"
    with pytest.raises(InputError, match="decimals or between thousands"):
        read(tmp_path, rows)
    assert value_of(read(tmp_path, rows + "3;3;0,5\n"), "1", "2") == pytest.approx(1.234)
    assert value_of(read(tmp_path, rows + "3;3;1,234,567\n"), "1", "2") == 1234


def test_times_are_no_values_and_a_counter_is_no_time(tmp_path):
    rows = "".join(f"{i % 9},{i},{1577836800 + i}\n" for i in range(30))
    dataset = read(tmp_path, "user_id,item_id,times\n" + rows)
    assert dataset.interactions.data.max() == 1
    assert dataset.times.min() == 1577836800
    counted = "user,item,plays,timestamp\n" + "".join(f"{i % 9},{i},2,{i}\n" for i in range(30))
    with pytest.raises(InputError, match="counter"):
        read(tmp_path, counted, half_life=30)


@pytest.mark.parametrize(
    ("text", "said", "message"),
    [
        ("{'user': 1, 'item': 7}\n{'user': 2, 'item': 7}\n", {}, "Python dictionaries"),
        (HEADER + "1,2,3\n", {"encoding": "rot13"}, "--encoding"),
        (HEADER + "1,2,3\n", {"encoding": "idna"}, "--encoding"),
        (HEADER + '1,2,3\n1,3,4\n1,"2,3\n4,5,6\n', {}, "line 4 is never closed"),
    ],
)
def test_refused_with_the_way_out(tmp_path, text, said, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, text, **said)


def test_one_quoted_row_without_an_end(tmp_path):
    assert value_of(read(tmp_path, 'user,item,plays\n"a","b",5'), "a", "b") == 5


def test_marks_of_byte_order_inside(tmp_path):
    one = "\ufeffuser,item\na,x\n"
    assert read(tmp_path, one + "\ufeffa,y\nb,x\n").user_ids.tolist() == ["a", "b"]


def test_why_ids_are_text_is_said(tmp_path):
    notes = account(read(tmp_path, MANY + "Total,1,5\n"))["notes"]
    assert notes == ["user ids are text, since 1 id is no integer: 'Total'"]


def test_json_lines_hold_one_object_each_also_late(tmp_path):
    one = "".join(
        f'{{"user_id": {i % 50}, "item_id": {i % 97}, "plays": 1}}\n' for i in range(1500)
    )
    two = '{"user_id": 7, "item_id": 98, "plays": 1} {"user_id": 8, "item_id": 98, "plays": 1}\n'
    found = account(read(tmp_path, one + two, "a.jsonl"))
    assert found["left_out"] == {"not JSON": 1}
    assert found["first"] == {"not JSON": [1501]}
    half = '{"user_id": "s\\ud800", "item_id": 7}\n{"user_id": "b", "item_id": 7}\n'
    assert read(tmp_path, half, "b.jsonl").user_ids.tolist() == ["b"]
    floats = '{"user_id": 1.0, "item_id": 7}\n{"user_id": 2.0, "item_id": 8}\n'
    assert read(tmp_path, floats, "c.jsonl").user_ids.tolist() == [1, 2]


def test_times_of_another_unit_are_unknown(tmp_path):
    rows = "1,1,2,1577836800000\n1,2,2,1577836800\n2,1,2,1577836900000\n"
    dataset = read(tmp_path, "user,item,plays,timestamp\n" + rows)
    assert np.isnan(dataset.times).tolist() == [False, True, False]
    assert dataset.times[[0, 2]].tolist() == [1577836800, 1577836900]
    assert any("another unit" in note for note in account(dataset)["notes"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
            "git lfs pull",
        ),
        (b"user,item\n1,2\n3,\x004\n", "byte 0 in line 3"),
    ],
)
def test_what_is_no_table(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, content)
