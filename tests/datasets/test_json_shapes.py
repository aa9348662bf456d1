"""JSON lines that are not one object a line in UTF-8, and strings that are no text."""

import json

import pytest

from halfstep import load_data
from halfstep.errors import InputError

MANY = "".join(f'{{"user_id": {i % 50}, "item_id": {i % 97}, "plays": 1}}\n' for i in range(1200))
TWO = '{"user_id": 7, "item_id": 98, "plays": 1} {"user_id": 8, "item_id": 98, "plays": 1}\n'
OVER = '{"user_id": 9,\n "item_id": 98, "plays": 1}\n'


def read(tmp_path, content, **options):
    path = tmp_path / "a.jsonl"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return load_data(path, **options)


def account(dataset):
    return dataset.provenance["reading"]


@pytest.mark.parametrize(
    ("late", "bad"),
    [
        (TWO, [1201]),
        (OVER, [1201, 1202]),
        (OVER + TWO, [1201, 1202, 1203]),
        (TWO + OVER, [1201, 1202, 1203]),
    ],
)
def test_a_line_holds_one_object_whole(tmp_path, late, bad):
    found = read(tmp_path, MANY + late)
    assert account(found)["first"] == {"not JSON": bad}
    assert account(found)["rows"] == 1200 + len(bad)
    assert 98 not in found.item_ids


@pytest.mark.parametrize("key", ["user_id", "item_id", "plays", "title"])
def test_half_a_character_makes_a_bad_line(tmp_path, key):
    good = {"user_id": "a", "item_id": "x", "plays": "1", "title": "T"}
    lines = [json.dumps(good | {key: "s\ud800"}), json.dumps(good | {"user_id": "b"})]
    found = read(tmp_path, "\n".join(lines))
    assert found.user_ids.tolist() == ["b"]
    assert list(account(found)["first"].values()) == [[1]]


def test_whole_floats_are_integers_and_it_is_said(tmp_path):
    found = read(tmp_path, '{"user_id": 1.0, "item_id": 7}\n{"user_id": 2.0, "item_id": 8.0}\n')
    assert found.user_ids.tolist() == [1, 2]
    assert account(found)["notes"] == [
        "2 user ids were floating-point numbers, all whole, and are read as integers",
        "1 item id was a whole floating-point number, and is read as an integer",
    ]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_encodings_with_a_mark(tmp_path, encoding):
    lines = '{"user_id": "é", "item_id": 7}\n{"user_id": "b", "item_id": 8}\n'
    assert read(tmp_path, lines.encode(encoding)).user_ids.tolist() == ["b", "é"]


def test_what_is_no_utf_16_inside_is_refused(tmp_path):
    start, end = '{"user_id": "a', '", "item_id": 7}\n'
    lines = start.encode("utf-16") + b"\x00\xdc" + end.encode("utf-16-le")
    with pytest.raises(InputError, match="is not in UTF-16 throughout"):
        read(tmp_path, lines)


OBJECTS = [{"user_id": 1, "item_id": 2}, {"user_id": 1, "item_id": 3}]


@pytest.mark.parametrize(
    "content",
    [
        "\n".join(json.dumps(one, indent=1) for one in OBJECTS),
        "".join(json.dumps(one) + ",\n" for one in [*OBJECTS, *OBJECTS]),
        json.dumps(OBJECTS[0]) + ",\n" + json.dumps(OBJECTS[1]) + ",\n" + json.dumps(OBJECTS[0]),
        '{"data": [\n' + ",\n".join(map(json.dumps, OBJECTS)) + "\n]}",
    ],
)
def test_objects_that_are_not_one_a_line_are_refused(tmp_path, content):
    with pytest.raises(InputError, match="one object a line is needed"):
        read(tmp_path, content)
