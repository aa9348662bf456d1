"""Tables of which two readings are possible are asked about, and what the caller says is heeded."""

import pytest

from halfstep import load_data
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
