"""Ids from Arrow columns of any type: exact, or refused."""

import datetime as dt
import decimal
import uuid

import numpy as np
import pyarrow as pa
import pytest
from cases.columns import users

from halfstep.errors import InputError


@pytest.mark.parametrize(
    ("column", "ids"),
    [
        (["10", "9", "-5", "0"], [-5, 0, 9, 10]),
        (["10", "9"], [9, 10]),
        (["007", "7"], ["007", "7"]),
        (["7", "+7"], ["+7", "7"]),
        (["1_0", "10"], ["10", "1_0"]),
        (["0x10", "16"], ["0x10", "16"]),
        (["7", "7.0"], ["7", "7.0"]),
        (["9223372036854775807"], [2**63 - 1]),
        (["9223372036854775808", "5"], ["5", "9223372036854775808"]),
        ([" a", "a ", "b"], ["a", "b"]),
        (["\u00a0a", "a"], ["a"]),
        (["none", "Na", "é"], ["Na", "none", "é"]),
        (pa.array([7234567890123456789, None, 7234567890123456788]), None),
        (pa.array([2**63 + 1, 5], pa.uint64()), ["5", str(2**63 + 1)]),
        (pa.array([2**63 - 1, 5], pa.uint64()), [5, 2**63 - 1]),
        (pa.array([3, 250], pa.uint8()), [3, 250]),
        (pa.array([-3, -2, -1, 4], pa.int8()), [-3, -2, -1, 4]),
        (pa.array([5.0, float("nan"), 2.0**52]), [5, 2**52]),
        (pa.array([decimal.Decimal(5), decimal.Decimal(7)], pa.decimal128(30, 0)), [5, 7]),
        (pa.array([decimal.Decimal(10**20)], pa.decimal128(30, 0)), [str(10**20)]),
        (pa.array([b"a", b"7"], pa.binary()), ["7", "a"]),
        (pa.array([b"ab", b"cd"], pa.binary(2)), ["ab", "cd"]),
        (pa.array(["x", "y", "x"], pa.large_string()), ["x", "y"]),
        (pa.array(["x", "y", "x"], pa.string_view()), ["x", "y"]),
        (pa.array(["x", None, "y"]).dictionary_encode(), ["x", "y"]),
        (pa.array([3, None, 2**60]).dictionary_encode(), [3, 2**60]),
        (pa.DictionaryArray.from_arrays([1, 1], ["not used", "7"]), [7]),
        (pa.DictionaryArray.from_arrays([0, 1, 2], ["a", "b", "a"]), ["a", "b"]),
        (pa.DictionaryArray.from_arrays([0, 1], ["a", None]), ["a"]),
        (pa.chunked_array([["b", "a"], [], ["c"]]), ["a", "b", "c"]),
        (pa.array([1, 1, 2]).cast(pa.int64()), [1, 2]),
        (pa.array([dt.date(2020, 1, 2)]), ["2020-01-02"]),
        (pa.RunEndEncodedArray.from_arrays([2, 3], ["a", "b"]), ["a", "b"]),
    ],
)
def test_ids_are_exact(column, ids):
    if ids is None:
        ids = [7234567890123456788, 7234567890123456789]
    found, _ = users(column)
    assert found == ids


@pytest.mark.skipif(not hasattr(pa, "uuid"), reason="this pyarrow has no UUIDs")
def test_uuids_are_text():
    one = uuid.uuid4()
    assert users(pa.array([one], pa.uuid()))[0] == [str(one)]


def test_quoted_ids_stay_text():
    assert users(["5", "30"], text=("user",))[0] == ["30", "5"]


def test_missing_ids_are_left_out_and_counted():
    markers = ["", " ", "NA", "N/A", "nan", "NaN", "None", "null", "NULL", "\\N", "<NA>", "#N/A"]
    found, reading = users(["u", *markers, None], item=["i"] * 13 + [None])
    assert found == ["u"]
    assert reading.left_out == {"missing user": 13}
    assert reading.first["missing user"] == [2, 3, 4, 5, 6]
    _, reading = users(["u", "v", None], item=["i", None, None], rows=np.array([2, 4, 9]))
    assert reading.left_out == {"missing user": 1, "missing item": 1}
    assert reading.first == {"missing user": [9], "missing item": [4]}
    assert reading.rows == 3


def test_numbers_below_zero_mark_unknown_ids_unless_there_are_many():
    for column in ([-1, 3, 3], ["-1", "3", "3"]):
        found, reading = users(column)
        assert found == [3]
        assert reading.left_out == {"negative user": 1}
    for column in ([-9, -2, -1, 1], [-5, 1], [-5, -1, 1]):
        found, reading = users(column)
        assert found == column
        assert f"{len(column) - 1} user ids are below 0" in reading.notes[0]
    found, reading = users(["-1", "a"])
    assert found == ["-1", "a"]
    assert "'-1' is kept" in reading.notes[0]


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (pa.array([True, False]), ["true and false", "--user-column"]),
        (pa.array([1.5, 2.0]), ["1.5", "whole"]),
        (pa.array([2.0**53]), ["9007199254740992"]),
        (pa.array([2.0**24], pa.float32()), ["16777216"]),
        (pa.array([float("inf")]), ["inf"]),
        (pa.array([decimal.Decimal("1.5")]), ["1.5"]),
        (pa.array([b"\xff\xfe"]), ["UTF-8"]),
        (pa.array([[1], [2]]), ["list<"]),
        (pa.array([{"a": 1}]), ["struct<"]),
        (pa.array([None, None]), ["no row is left", "missing user: 2 (row 1, 2)"]),
        (["NA", ""], ["no row is left", "missing user: 2"]),
    ],
)
def test_what_is_no_id_is_refused(column, words):
    with pytest.raises(InputError) as caught:
        users(column)
    for word in ("a.x", *words):
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)
