"""From Arrow columns to a data set: values, times, negative values, duplicates and names."""

import datetime as dt
import decimal

import numpy as np
import pyarrow as pa
import pytest
from cases.columns import SECONDS, build, values

from halfstep.errors import InputError


@pytest.mark.parametrize(
    ("column", "numbers"),
    [
        (["2", "+3", " 4 "], [2, 3, 4]),
        (["2.5", ".5", "1e2"], [2.5, 0.5, 100]),
        (["1,234", "20", "1,234,567"], [1234, 20, 1234567]),
        (["1,234.5", "20.25"], [1234.5, 20.25]),
        (["2,5", "3"], [2.5, 3]),
        (["1.234,5", "3", "1.234"], [1234.5, 3, 1234]),
        (["0,123", "3"], [0.123, 3]),
        (["True", "false", "TRUE"], [1, None, 1]),
        (["3", "True", "x", "0x10", "1_0", "inf", "nan", "", "1e999", "٣"], [3] + [None] * 9),
        (pa.array([True, False, None]), [1, None, None]),
        (pa.array([2**62, 5]), [2.0**62, 5]),
        (pa.array([2**63 + 2**40], pa.uint64()), [2.0**63 + 2.0**40]),
        (pa.array([1.5, float("nan"), float("inf")]), [1.5, None, None]),
        (pa.array([decimal.Decimal("1.25"), decimal.Decimal(3)]), [1.25, 3]),
        (pa.array([3, 4], pa.uint8()).dictionary_encode(), [3, 4]),
        (pa.array(["3", None]).dictionary_encode(), [3, None]),
        (pa.array([b"3"]), [3]),
    ],
)
def test_values(column, numbers):
    assert values(column)[0] == numbers


def test_what_is_no_value_is_counted_by_reason():
    _, reading = values(["3", "x", "", "1e999", "True"])
    assert reading.left_out == {"value not a number": 2, "missing value": 1, "infinite value": 1}
    _, reading = values(pa.array([True, False]))
    assert reading.left_out == {"value is false": 1}


def test_commas_in_values():
    assert values(["2,5", "3,25"], comma=True)[0] == [2.5, 3.25]
    assert values(["1,234"], comma=True)[0] == [1.234]
    assert values(["1.234", "1.5"], comma=True)[0] == [1.234, 1.5]
    assert values(["2,5", "1.5"])[0] == [2.5, None]
    assert "thousands" in values(["1,234", "x,y"])[1].notes[0]
    assert "decimals" in values(["2,5"])[1].notes[0]
    with pytest.raises(InputError, match=r"what a comma means in '1,234\.5' and in '2,5'"):
        values(["1,234.5", "2,5"])


def test_other_types_are_no_values():
    with pytest.raises(InputError, match=r"value column 'n'.*timestamp.*--value-column"):
        values(pa.array([dt.datetime(2020, 1, 1)]))


def test_large_integers_are_added_without_overflow():
    dataset, reading = build([1, 1], value=[2**62, 2**62])
    assert dataset.interactions.data.tolist() == [2.0**63]
    assert "2^53" in reading.notes[0]
    # In float64 the small ones would be lost one by one.
    dataset, _ = build([1] * 65, value=[2**53] + [1] * 64)
    assert dataset.interactions.data.tolist() == [2.0**53 + 64]


@pytest.mark.parametrize("column", [[-1.0, 2, -3], ["-1", "2", "-3"]])
def test_negative_values_are_an_error_or_as_told(column):
    with pytest.raises(InputError) as caught:
        values(column, rows=np.array([5, 6, 7]))
    for word in (
        "a.x",
        "'n'",
        "2 of 3",
        "line 5",
        "--negative drop",
        "--negative keep",
        "negative=",
    ):
        assert word in str(caught.value)
    found, reading = values(column, told={"negative": "drop"})
    assert found == [None, 2, None]
    assert reading.left_out == {"negative value": 2}
    assert values(column, told={"negative": "keep"})[0] == [-1, 2, -3]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    ("rule", "rating", "value", "said"),
    [
        (None, False, [7, 5], "added"),
        (None, True, [1, 5], "last kept"),
        ("add", True, [7, 5], "added"),
        ("last", False, [1, 5], "last kept"),
        ("mean", False, [7 / 3, 5], "mean taken"),
    ],
)
def test_duplicates(rule, rating, value, said, late):
    columns = {"item": ["i", "i", "i", "j"], "value": [4, 2, 1, 5]}
    if late:  # the first row is the latest, and the last one has no time
        columns["time"] = [SECONDS + 9, SECONDS, None, SECONDS]
        value = [4, 5] if said == "last kept" else value
    dataset, reading = build(["u"] * 4, rating=rating, told={"duplicates": rule}, **columns)
    assert dataset.interactions.toarray().tolist() == [pytest.approx(value)]
    assert (reading.duplicates, reading.duplicates_rule) == (2, said)
    if late:
        assert dataset.times.tolist() == [SECONDS + 9, SECONDS]


def test_among_equal_times_the_last_row_counts():
    dataset, _ = build(["u"] * 3, value=[1, 2, 3], time=[SECONDS, SECONDS, 0], rating=True)
    assert dataset.interactions.data.tolist() == [2]


def test_entries_and_times_agree_with_a_dictionary():
    rng = np.random.default_rng(7)
    user, item = rng.integers(0, 40, 3000), rng.integers(0, 33, 3000)
    value, time = rng.integers(1, 9, 3000), rng.integers(10**9, 2 * 10**9, 3000)
    expected: dict = {}
    for u, i, v, t in zip(*(a.tolist() for a in (user, item, value, time)), strict=True):
        total, latest, last = expected.get((u, i), (0, 0, 0))
        expected[u, i] = total + v, max(latest, t), v if t >= latest else last
    for rule, place in (("add", 0), ("last", 2)):
        dataset, reading = build(
            pa.array(user), pa.array(item), value=value, time=time, told={"duplicates": rule}
        )
        matrix = dataset.interactions.tocoo()
        keys = zip(dataset.user_ids[matrix.row], dataset.item_ids[matrix.col], strict=True)
        found = dict(zip(keys, zip(matrix.data, dataset.times, strict=True), strict=True))
        assert found == {key: (row[place], row[1]) for key, row in expected.items()}
        assert reading.duplicates == 3000 - len(expected)


@pytest.mark.parametrize(
    ("column", "seconds"),
    [
        ([SECONDS, SECONDS + 1], [SECONDS, SECONDS + 1]),
        ([SECONDS * 10**3 + 500] * 2, [SECONDS + 0.5] * 2),
        ([SECONDS * 10**6] * 2, [SECONDS] * 2),
        ([SECONDS * 10**9] * 2, [SECONDS] * 2),
        ([SECONDS + 0.25, None], [SECONDS + 0.25, np.nan]),
        (["1400000000", ""], [SECONDS, np.nan]),
        (["2014-05-13", "2014-05-13T16:53:20Z"], [1399939200, SECONDS]),
        (["2014-05-13 16:53:20.5", "2014-05-13T18:53:20+02:00"], [SECONDS + 0.5, SECONDS]),
        (["2014-05-13 16:53:20 UTC", "05 13, 2014"], [SECONDS, 1399939200]),
        (["now", "2014-05-13"], [np.nan, 1399939200]),
        ([20140513, 20140513], [1399939200] * 2),
        ([3, 1], [3, 1]),
        (pa.array([SECONDS, None], pa.timestamp("s")), [SECONDS, np.nan]),
        (pa.array([SECONDS * 10**9, None], pa.timestamp("ns", "UTC")), [SECONDS, np.nan]),
        (pa.array([SECONDS * 10**3] * 2, pa.timestamp("ms", "Europe/Vienna")), [SECONDS] * 2),
        (pa.array([dt.date(2014, 5, 13)] * 2), [1399939200] * 2),
        (pa.array([decimal.Decimal(SECONDS)] * 2), [SECONDS] * 2),
    ],
)
def test_times(column, seconds):
    dataset, reading = build([1, 2], time=column)
    np.testing.assert_array_equal(dataset.times, seconds)
    assert dataset.times.dtype == np.float64
    unknown = int(np.isnan(seconds).sum())
    assert (f"{unknown} of 2 times are not known" in reading.notes) == (unknown > 0)


@pytest.mark.parametrize("column", [[None, None], ["x", "y"], pa.array([True, False])])
def test_no_time_is_known(column):
    dataset, reading = build([1, 2], time=column)
    assert dataset.times is None
    assert "2 of 2 times are not known" in reading.notes


def test_a_counter_is_told_from_times():
    assert "counter" in build([1, 2], time=[7, 9])[1].notes[0]


def test_item_names():
    given = ["nan", " Ann", "Ann ", "", "B", "C", "C", None]
    dataset, reading = build([1] * 8, ["n", "a", "a", "a", "b", "b", "b", "z"], name=given)
    assert dict(zip(dataset.item_ids, dataset.item_names, strict=True)) == {
        "n": "nan",
        "a": "Ann",
        "b": "C",
        "z": "",
    }
    assert reading.notes == ["1 items have several names; the most frequent is kept"]
    dataset, _ = build([1, 1, None], ["i", "i", "i"], name=["old", "new", "not counted"])
    assert dataset.item_names.tolist() == ["new"]


def test_the_account_is_kept():
    dataset, reading = build(["a", "a", None], value=[1, 2, 3], time=[SECONDS] * 3)
    assert dataset.provenance["rows"] == 3
    assert dataset.provenance["malformed"] == {"a.x": {"missing user": 1}}
    kept = dataset.provenance["reading"]
    assert kept["duplicates"] == reading.duplicates == 1
    assert kept["duplicates_rule"] == "added"
