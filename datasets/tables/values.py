"""Turn a column of values into numbers, and say which rows have none and why."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfstep.datasets.tables.distinct import (
    distinct,
    is_missing,
    is_text,
    numbers,
    plain,
    strings,
)
from halfstep.errors import InputError

# What is wrong with a row, by the number that `Values.wrong` has for it.
REASONS = ("", "missing value", "value not a number", "infinite value", "value is false")
_MISSING, NO_NUMBER, _INFINITE, _FALSE = 1, 2, 3, 4
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?", re.ASCII)
_DECIMAL_COMMA = re.compile(r"[+-]?(\d+|[1-9]\d{0,2}(\.\d{3})+)?,\d*([eE][+-]?\d+)?", re.ASCII)
_DOTTED = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+", re.ASCII)
_WITH_COMMA = re.compile(r"[+-]?[\d.]*,[\d.,]*([eE][+-]?\d+)?", re.ASCII)
_EXACT = 2**53


@dataclass
class Values:
    """A column of values.

    Attributes
    ----------
    numbers : ndarray
        int64 or float64, shape (rows,); 0 where there is no number.
    wrong : ndarray
        uint8, shape (rows,): the place in `REASONS` of what is wrong, 0 if nothing is.
    notes : list of str
        What the reader of the output must know.
    """

    numbers: NDArray[Any]
    wrong: NDArray[np.uint8]
    notes: list[str] = field(default_factory=list)


def read_values(column: Any, what: str, *, decimal_comma: bool | None = False) -> Values:
    """Read the numbers of an Arrow column of any type.

    True counts 1, and False is no entry. In text, blanks around a number are cut; "1,234.5" is read
    with its thousands, and "2,5" as 2.5, where the column's other values leave no doubt.

    Parameters
    ----------
    column : pyarrow.Array or pyarrow.ChunkedArray
        Shape (rows,). Integers that fit int64 stay integers.
    what : str
        Names the column in an error.
    decimal_comma : bool or None
        Whether it is known that a comma stands before decimals; None refuses what may be either.

    Raises
    ------
    InputError
        The type holds no numbers, or some commas in text are decimal ones and others are not.
    """
    import pyarrow.types as types

    column = plain(column, what)
    kind = column.type
    if types.is_integer(kind):
        result = Values(numbers(column, 0), _nulls(column))
    elif types.is_floating(kind):
        result = _floats(numbers(column, np.nan))
    elif types.is_null(kind):
        result = Values(np.zeros(len(column), np.int64), np.full(len(column), _MISSING, np.uint8))
    else:
        places, values = distinct(column)
        judged = _judge(values, what, decimal_comma)
        # A null's place, -1, is the last one of these tables.
        result = Values(
            np.append(judged.numbers, 0)[places],
            np.append(judged.wrong, np.uint8(_MISSING))[places],
            judged.notes,
        )
    result.numbers = _in_64_bits(result.numbers)
    if result.numbers.dtype.kind == "i" and len(result.numbers):
        most = max(int(result.numbers.max()), -int(result.numbers.min()))
        if most > _EXACT:
            result.notes.append("values above 2^53 are rounded to the nearest float64")
    return result


def _nulls(column: Any) -> NDArray[np.uint8]:
    if not column.null_count:
        return np.zeros(len(column), np.uint8)
    missing: NDArray[np.bool_] = column.is_null().to_numpy()
    wrong = np.zeros(len(column), np.uint8)
    wrong[missing] = _MISSING
    return wrong


def _floats(numbers: NDArray[Any]) -> Values:
    numbers = numbers.astype(np.float64, copy=False)
    finite = np.isfinite(numbers)
    wrong = np.zeros(len(numbers), np.uint8)
    if not finite.all():
        wrong[~finite] = _INFINITE
        wrong[np.isnan(numbers)] = _MISSING
        numbers = np.where(finite, numbers, 0)
    return Values(numbers, wrong)


def _in_64_bits(numbers: NDArray[Any]) -> NDArray[Any]:
    """Return unsigned integers as int64 where they fit, otherwise as float64."""
    if numbers.dtype.kind != "u":
        return numbers
    fits = len(numbers) == 0 or int(numbers.max()) <= np.iinfo(np.int64).max
    return numbers.astype(np.int64 if fits else np.float64)


def _judge(values: Any, what: str, decimal_comma: bool | None) -> Values:
    """Read distinct values."""
    import pyarrow as pa
    import pyarrow.types as types

    kind = values.type
    if types.is_boolean(kind):
        true = values.to_numpy(zero_copy_only=False).astype(bool)
        return _booleans(true)
    if types.is_integer(kind):
        return Values(_in_64_bits(values.to_numpy()), np.zeros(len(values), np.uint8))
    if types.is_floating(kind):
        return _floats(values.to_numpy())
    if types.is_decimal(kind):
        exact = values.to_pylist()
        if all(one == one.to_integral_value() and abs(one) < 2**63 for one in exact):
            whole = np.array([int(one) for one in exact], np.int64)
            return Values(whole, np.zeros(len(whole), np.uint8))
        return _floats(np.array([float(one) for one in exact]))
    if types.is_null(kind):
        return Values(np.empty(0, np.int64), np.empty(0, np.uint8))
    if not is_text(kind):
        raise InputError(
            f"{what}: must hold numbers, got {kind}; name another column "
            "(--value-column, in Python value=)"
        )
    text, _ = strings(values, what)
    missing = is_missing(text)
    judged = _texts(text.filter(pa.array(~missing)).to_pylist(), what, decimal_comma)
    result = np.zeros(len(text), judged.numbers.dtype)
    result[~missing] = judged.numbers
    wrong = np.full(len(text), _MISSING, np.uint8)
    wrong[~missing] = judged.wrong
    return Values(result, wrong, judged.notes)


def _booleans(true: NDArray[np.bool_]) -> Values:
    wrong = np.where(true, 0, _FALSE).astype(np.uint8)
    note = "True counts 1, and rows of False are left out"
    return Values(true.astype(np.int64), wrong, [note] if len(true) else [])


def _texts(texts: list[str], what: str, decimal_comma: bool | None) -> Values:
    """Read distinct strings, none of which is missing."""
    folded = [text.casefold() for text in texts]
    if texts and set(folded) <= {"true", "false"}:
        return _booleans(np.array([text == "true" for text in folded]))
    texts, notes = _plain_numbers(texts, what, decimal_comma)
    wrong = np.array([0 if _NUMBER.fullmatch(text) else NO_NUMBER for text in texts], np.uint8)
    good = [text for text, reason in zip(texts, wrong.tolist(), strict=True) if not reason]
    # An integer of more than 18 digits may exceed 64 bits.
    whole = all(_WHOLE.fullmatch(text) and len(text) <= 18 for text in good)
    read = _floats(np.array([float(text) for text in good], np.float64))
    if whole:
        read.numbers = np.array([int(text) for text in good], np.int64)
    result = np.zeros(len(texts), read.numbers.dtype)
    result[wrong == 0] = read.numbers
    wrong[wrong == 0] = read.wrong
    return Values(result, wrong, notes)


def _plain_numbers(
    texts: list[str], what: str, decimal_comma: bool | None
) -> tuple[list[str], list[str]]:
    """Return the strings with a point before decimals and no thousands, and a note if any changed."""
    commas = [text for text in texts if _WITH_COMMA.fullmatch(text)]
    if not commas:
        return texts, []
    grouped = all(_THOUSANDS.fullmatch(text) for text in commas)
    told = any(text.count(",") > 1 for text in commas) or any("." in text for text in texts)
    if grouped and not told and decimal_comma is None:
        raise InputError(
            f"{what}: the comma in {commas[0]!r} may stand before decimals or between thousands; "
            "write the values with a point before decimals and without thousands"
        )
    if decimal_comma or not grouped:
        other = next((text for text in commas if not _DECIMAL_COMMA.fullmatch(text)), None)
        if other is not None:
            one = next(text for text in commas if text != other) if len(commas) > 1 else other
            raise InputError(
                f"{what}: it cannot be told what a comma means in {other!r}"
                + (f" and in {one!r}" if one != other else "")
                + "; write the values with a point before decimals and without thousands"
            )
        # With decimal commas somewhere in the column, a point can only stand between thousands.
        changed = [
            text.replace(".", "").replace(",", ".")
            if _DECIMAL_COMMA.fullmatch(text) or _DOTTED.fullmatch(text)
            else _no_number(text)
            for text in texts
        ]
        return changed, [f"commas in values stand before decimals: {commas[0]!r}"]
    return (
        [text.replace(",", "") if _THOUSANDS.fullmatch(text) else text for text in texts],
        [f"commas in values stand between thousands: {commas[0]!r}"],
    )


def _no_number(text: str) -> str:
    """Return a string that is no number if a point in it would be one before decimals."""
    return f"?{text}" if "." in text else text
