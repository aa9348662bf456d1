"""Any table that pandas writes comes back as it was, or is refused: never otherwise without a word."""

import csv
import string

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from halfstep import load_data
from halfstep.errors import InputError

MISSING = {"", "NA", "N/A", "n/a", "nan", "NaN", "None", "null", "NULL", "\\N", "<NA>", "#N/A"}
_PLAIN = string.ascii_letters + string.digits + "_-."
_ODD = _PLAIN + " ,;|\t:\"'#+äéßŁ漢🎵\n\r"
_IDS = st.one_of(
    st.integers(0, 10**6).map(str),
    st.text("0123456789", min_size=1, max_size=6),
    st.text(_PLAIN, min_size=1, max_size=8),
    st.text(_ODD, min_size=1, max_size=8),
    st.sampled_from(
        ["007", "+5", "1e5", "1.0", "-3", "0x10", "True", "1_000", "inf", "2020-01-01"]
    ),
)
_VALUES = st.one_of(
    st.integers(0, 10**6), st.floats(0, 1e6).map(lambda value: round(value, 3)), st.just(1)
)


@st.composite
def tables(draw):
    """Return (a frame of text ids and numbers, arguments of to_csv, arguments of load_data)."""
    users = draw(st.lists(_IDS, min_size=1, max_size=5, unique=True))
    items = draw(st.lists(_IDS, min_size=1, max_size=5, unique=True))
    pairs = draw(
        st.lists(
            st.tuples(st.sampled_from(users), st.sampled_from(items)),
            min_size=2,
            max_size=12,
            unique=True,
        )
    )
    frame = pd.DataFrame(pairs, columns=["user_id", "item_id"], dtype=object)
    frame["count"] = draw(st.lists(_VALUES, min_size=len(pairs), max_size=len(pairs)))
    separator = draw(st.sampled_from([",", ";", "\t", "|"]))
    written = {
        "sep": separator,
        "encoding": draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"])),
        "quoting": draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])),
        "lineterminator": draw(st.sampled_from(["\n", "\r\n"])),
        "index": draw(st.booleans()),
        "header": draw(st.booleans()),
        "decimal": "," if separator != "," and draw(st.booleans()) else ".",
    }
    if written["quoting"] == csv.QUOTE_MINIMAL and written["lineterminator"] == "\n":
        # pandas leaves a return without quotes, which then ends a line for all who read it.
        frame[["user_id", "item_id"]] = frame[["user_id", "item_id"]].map(
            lambda text: text.replace("\r", "\n")
        )
    said = {}
    if not written["header"]:
        first = 2 if written["index"] else 1
        said = {"user": first, "item": first + 1, "value": first + 2, "header": False}
    if draw(st.booleans()):
        said["separator"] = separator
    return frame, written, said


def meant(frame):
    """Return the entries as the frame's owner means them: blanks around ids are cut."""
    found = {}
    for user, item, value in frame.itertuples(index=False):
        user, item = user.strip(), item.strip()
        if user not in MISSING and item not in MISSING:
            found[user, item] = found.get((user, item), 0.0) + float(value)
    return found


def entries_of(dataset):
    matrix = dataset.interactions.tocoo()
    return {
        (str(dataset.user_ids[row]), str(dataset.item_ids[column])): float(value)
        for row, column, value in zip(matrix.row, matrix.col, matrix.data, strict=True)
    }


@settings(
    max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(table=tables())
def test_what_pandas_writes_comes_back_or_is_refused(tmp_path, table):
    frame, written, said = table
    path = tmp_path / "table.csv"
    try:
        frame.to_csv(path, **written)
    except UnicodeEncodeError:
        return
    try:
        dataset = load_data(path, **said)
    except InputError:
        return
    left_out = dataset.provenance["reading"]["left_out"]
    # A line end inside an id is kept, but may be another one: reading text makes \r\n of none.
    expected = {
        tuple(part.replace("\r\n", "\n") for part in key): value
        for key, value in meant(frame).items()
    }
    found = {
        tuple(part.replace("\r\n", "\n") for part in key): value
        for key, value in entries_of(dataset).items()
    }
    assert found.keys() <= expected.keys()
    for key, value in found.items():
        assert value == pytest.approx(expected[key], rel=1e-6)
    if set(left_out) <= {"missing user", "missing item"}:  # one row may be several bad lines
        gone = len(frame) - sum(left_out.values()) - dataset.provenance["reading"]["duplicates"]
        assert dataset.entries == gone
    assert np.isfinite(dataset.interactions.data).all()
