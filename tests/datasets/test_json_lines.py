"""JSON lines, plain and packed."""

import bz2
import gzip
import io
import json
import logging
import lzma
import zipfile

import pyarrow as pa
import pytest
from cases.tables.read import entries, refused

from halfstep import load_data
from halfstep.datasets import load
from halfstep.datasets.formats import json_lines
from halfstep.datasets.tables.options import TableOptions

BIG = 7_234_567_890_123_456_789


def zipped(text):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("folder/", "")
        archive.writestr("folder/a.json", text)
    return file.getvalue()


LINES = [
    {"user_id": "u1", "business_id": 5, "stars": 4, "date": "2014-05-13"},
    {"user_id": "u1", "business_id": 5, "stars": 2.5, "date": "2014-05-14"},
    {"business_id": 5, "user_id": "u2", "stars": None, "date": "2014-05-14"},
    {"user_id": "007", "business_id": BIG, "stars": 1, "date": "2014-05-14", "text": 'a "b"\n{'},
]
WRITTEN = {("u1", 5): 2.5, ("007", BIG): 1}


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize(
    ("name", "pack"),
    [
        *((f"a{end}", bytes) for end in (".jsonl", ".json", ".txt", ".log")),
        ("a.json.gz", gzip.compress),
        ("a.json.bz2", bz2.compress),
        ("a.json.xz", lzma.compress),
        ("a.json.zst", lambda text: pa.compress(text, "zstd", asbytes=True)),
        ("a.json", gzip.compress),
        ("a.json.zip", lambda text: zipped(text)),
    ],
)
def test_json_lines(tmp_path, name, pack, quick, monkeypatch):
    if not quick:
        monkeypatch.setattr(json_lines, "_quickly", lambda *arguments: None)
    text = "".join(json.dumps(line) + "\n" for line in LINES).encode()
    (tmp_path / name).write_bytes(pack(text))
    dataset = load(tmp_path / name)
    assert entries(dataset) == WRITTEN
    assert dataset.times.tolist() == [1400025600, 1400025600]
    reading = dataset.provenance["reading"]
    assert reading["left_out"] == {"missing value": 1}
    assert reading["first"] == {"missing value": [3]}
    assert reading["rows"] == 4
    assert reading["duplicates_rule"] == "last kept"
    assert reading["columns"]["item"] == "business_id"
    told = load_data(tmp_path / name, item="date", value=2, negative="keep")
    assert told.item_ids.tolist() == ["2014-05-13", "2014-05-14"]


def test_json_lines_are_read_by_arrow_where_it_can(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in LINES))
    assert json_lines._Rows(path, TableOptions()).quick is not None
    path.write_text(path.read_text() + '{"user_id": 7, "business_id": 5, "stars": 1}\n')
    rows = json_lines._Rows(path, TableOptions())
    assert rows.quick is None
    assert entries(load(path)) == {**WRITTEN, ("7", 5): 1}


def test_json_ids(tmp_path):
    path = tmp_path / "a.jsonl"

    def users(*ids):
        path.write_text("".join(f'{{"user": {one}, "item": 1}}\n' for one in ids))
        return load(path).user_ids.tolist()

    assert users("5", "30") == [5, 30]
    assert users('"5"', '"30"') == ["30", "5"]
    assert users("5", str(2**63)) == ["5", str(2**63)]
    assert users("5", "null", '"NA"') == ["5"]
    assert users("5", "5.5", "true", "[1]", '{"a": 1}') == [5]
    reading = load(path).provenance["reading"]
    assert reading["left_out"] == {"user neither text nor an integer": 4}
    assert reading["first"]["user neither text nor an integer"] == [2, 3, 4, 5]


def test_json_lists_and_bad_lines(tmp_path, caplog):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(LINES, indent=2))
    assert entries(load(path)) == WRITTEN
    path.write_text('[{"user": 1,\n')
    refused(path, "a.json", "no JSON list")
    good = '{"user": 1, "item": 2}\n'
    path.write_text(good + '{"user": 1\n[1]\n\n' + good)
    with caplog.at_level(logging.WARNING, logger="halfstep.datasets"):
        dataset = load(path)
    assert entries(dataset) == {(1, 2): 2}
    assert dataset.provenance["reading"]["left_out"] == {"not JSON": 1, "no JSON object": 1}
    assert "not JSON: 1 (line 2)" in caplog.text
    path.write_text(good * 400 + "{\n" * 22)
    refused(path, "22 of 422 lines", "line 401", "--allow-bad-lines")
    assert load_data(path, allow_bad_lines=True).interactions.data.tolist() == [400]
    path.write_text(good * 401 + "{\n" * 20)
    assert load(path).interactions.data.tolist() == [401]
    path.write_text('{"u": 1, "i": 2}\n')
    refused(path, "'u'", "--user-column", str(path))
    assert entries(load_data(path, user="u", item="i")) == {(1, 2): 1}
    path.write_text('{"": \n')
    refused(path, "no line holds a JSON object")
