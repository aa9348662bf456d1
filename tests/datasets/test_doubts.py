"""Tables of which two readings are possible are asked about, and what the caller says is heeded."""

import pytest

from halfstep import load_data
from halfstep.datasets.text import blocks
from halfstep.errors import InputError


def write(folder, content):
    path = folder / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def entries(dataset):
    matrix = dataset.interactions.tocoo()
    users, items = dataset.user_ids[matrix.row], dataset.item_ids[matrix.col]
    return sorted(zip(users.tolist(), items.tolist(), matrix.data.tolist(), strict=True))


def test_two_separators_that_fit_alike(tmp_path):
    path = write(tmp_path, "1;a,b\n2;c,d\n1;c,d\n")
    with pytest.raises(InputError, match=r"whether ',' or ';' separates .* --separator"):
        load_data(path)
    assert entries(load_data(path, separator=";")) == [(1, "a,b", 1), (1, "c,d", 1), (2, "c,d", 1)]
    named = write(tmp_path, "user;item\n1;a,b\n2;c,d\n")
    assert entries(load_data(named)) == [(1, "a,b", 1), (2, "c,d", 1)]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("x|b\nc::d|0\n", [("c::d", "0", 1), ("x", "b", 1)]),
        ('"""a""";"""a"""\na,b;a,b\n', [('"a"', '"a"', 1), ("a,b", "a,b", 1)]),
        ('"::","::"\n"a b","::"\n', [("::", "::", 1), ("a b", "::", 1)]),
    ],
)
def test_two_lines_show_the_separator(tmp_path, content, expected):
    dataset = load_data(write(tmp_path, content), header=False)
    assert entries(dataset) == expected


def test_a_first_line_that_may_name_the_columns(tmp_path):
    path = write(tmp_path, "kunde,artikel\nann,stout\nbea,porter\nann,porter\n")
    with pytest.raises(InputError) as asked:
        load_data(path)
    assert "'kunde | artikel', names the columns" in str(asked.value)
    assert "--no-header" in str(asked.value)
    with pytest.raises(InputError, match="--no-header"):
        load_data(path, user=1, item=2)
    assert load_data(path, header=False).provenance["rows"] == 4
    assert load_data(path, header=True, user=1, item=2).provenance["rows"] == 3
    assert load_data(path, user="Kunde", item="artikel").provenance["rows"] == 3


def test_numbers_that_a_frame_without_names_has_are_noted(tmp_path):
    path = write(tmp_path, "0,1,2\n5,9,1\n6,4,2\n")
    reading = load_data(path).provenance["reading"]
    assert reading["rows"] == 3
    assert "'0 | 1 | 2', is taken for a row, not for a header" in reading["notes"][0]
    named = load_data(path, header=True, user=1, item=2, value=3)
    assert entries(named) == [(5, 9, 1), (6, 4, 2)]
    assert load_data(path, header=False).provenance["reading"]["notes"] == []


def test_a_first_line_of_which_a_field_recurs_is_data(tmp_path):
    path = write(tmp_path, "ann,stout\nbea,porter\nann,porter\n")
    assert len(entries(load_data(path))) == 3


def test_an_encoding_that_is_said_is_not_replaced(tmp_path):
    path = write(tmp_path, b"user,item\n1,a\n2,Bj\xf6rk\n")
    with pytest.raises(InputError, match=r"line 3 is not utf-8; .*--encoding"):
        load_data(path, encoding="utf-8")
    assert "Björk" in load_data(path).item_ids.tolist()


@pytest.mark.parametrize("end", ["", "\n"])
@pytest.mark.parametrize("rows", ["a,b\nc,d\n", '"a","b"\n"c","d"\n'])
def test_a_quote_in_the_last_line_that_is_never_closed(tmp_path, rows, end):
    path = write(tmp_path, f'user,item\n{rows}e,"f{end}')
    with pytest.raises(InputError, match="quote that opens in line 4 is never closed"):
        load_data(path)


def test_single_quotes_are_no_part_of_ids(tmp_path):
    with pytest.raises(InputError, match="users are in single quotes, the first is '1'"):
        load_data(write(tmp_path, "user,item,plays\n'1','2',3\n'2','a',4\n"))
    path = write(tmp_path, "user,item\n1,'2'\n2,'Til Tuesday\n")
    assert entries(load_data(path)) == [(1, "'2'", 1), (2, "'Til Tuesday", 1)]


def test_a_line_end_in_the_header(tmp_path):
    path = write(tmp_path, 'user,item,"plays\n(all)","plays"\n1,2,9,3\n2,3,9,\n')
    reading = load_data(path).provenance["reading"]
    assert (reading["rows"], reading["left_out"]) == (2, {"missing value": 1})
    assert reading["first"] == {"missing value": [4]}


@pytest.mark.parametrize("separator", [",", "::"])
def test_no_line_is_longer_than_a_line_may_be(tmp_path, monkeypatch, separator):
    monkeypatch.setattr(blocks, "LONGEST_LINE", 3 << 20)
    rows = "user,item\n1,2\n" + "3," + "x" * (13 << 20) + "\n"
    with pytest.raises(InputError, match=r"must be at most 3 MiB, one after line 2 is longer"):
        load_data(write(tmp_path, rows.replace(",", separator)))


def test_blanks_separate_numbers_with_decimal_commas(tmp_path):
    path = write(tmp_path, "user_id item_id count\n7 a 1,5\n7 b 2,25\n8 a 3,0\n")
    assert entries(load_data(path)) == [(7, "a", 1.5), (7, "b", 2.25), (8, "a", 3.0)]


def test_a_first_line_that_does_not_fit_is_asked_about(tmp_path):
    path = write(tmp_path, "played in May\n7,a,1\n7,b,2\n8,a,3\n")
    with pytest.raises(InputError, match=r"first line, 'played in May', has 1 fields.*--no-header"):
        load_data(path)
    left_out = load_data(path, header=False).provenance["reading"]["left_out"]
    assert left_out == {"missing fields": 1}
