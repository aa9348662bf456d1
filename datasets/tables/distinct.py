"""Split an Arrow column into its distinct values and each row's place among them.

What a table's text means is judged on distinct values only: a column of 20 million rows has thousands.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfstep.errors import InputError

# The spellings of "not known" that pandas, R, SQL dumps and spreadsheets write; "none" or "Na" are not
# among them, so users who chose such a name stay.
MISSING = (
    *("", "NA", "N/A", "n/a", "#N/A", "#N/A N/A", "#NA", "<NA>", "NaN", "nan", "-NaN", "-nan"),
    *("NULL", "null", "None", "\\N", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"),
)


def plain(column: Any, what: str) -> Any:
    """Return a column as a `pyarrow.ChunkedArray` of a plain type.

    Views become large strings or large binaries, run-end-encoded and extension types their storage,
    and UUIDs text. Dictionaries stay dictionaries, of plain values.

    Parameters
    ----------
    column : pyarrow.Array or pyarrow.ChunkedArray
    what : str
        Names the column in an error.

    Raises
    ------
    InputError
        The type is nested, or an extension type whose values this cannot know.
    """
    import pyarrow as pa

    chunked = column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
    kind = chunked.type
    if _is_plain(kind) and not pa.types.is_dictionary(kind):
        return chunked
    chunks = [_plain_array(chunk, what) for chunk in chunked.chunks]
    if not chunks:
        return pa.chunked_array([_plain_array(pa.array([], kind), what)])
    return pa.chunked_array(chunks)


def distinct(column: Any) -> tuple[NDArray[np.int64], Any]:
    """Return (for each row the place of its value, -1 for a null; the values that occur).

    Parameters
    ----------
    column : pyarrow.ChunkedArray
        As `plain` returns it.

    Returns
    -------
    places : ndarray
        int64, shape (rows,).
    values : pyarrow.Array
        Without nulls; a dictionary that holds a value twice still does.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_integer(column.type):
        return _distinct_integers(column)
    if pa.types.is_null(column.type):
        return np.full(len(column), -1), pa.array([], column.type)
    if not pa.types.is_dictionary(column.type):
        column = _encoded(column)
    column = _unified(column)
    if column.num_chunks == 0:
        return np.empty(0, np.int64), pa.array([], column.type.value_type)
    values = column.chunk(0).dictionary
    places = np.concatenate([_filled(chunk.indices, -1) for chunk in column.chunks])
    used = np.zeros(len(values) + 1, dtype=bool)
    used[places] = True  # -1, a null, is the last
    used = used[:-1] & ~pc.is_null(values).to_numpy(zero_copy_only=False)
    if used.all():
        return places, values
    number = np.append(np.where(used, np.cumsum(used) - 1, -1), -1)
    return number[places], values.filter(pa.array(used))


def strings(values: Any, what: str) -> tuple[Any, int]:
    """Return (strings without the blanks around them, `pyarrow.LargeStringArray`; how many had some).

    Raises
    ------
    InputError
        Bytes are not UTF-8.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        text = values.cast(pa.large_string())
        text.validate(full=True)
    except pa.ArrowInvalid:
        raise InputError(f"{what}: holds bytes that are not UTF-8; make it text first") from None
    # A mark of the byte order is left where files with one were put together.
    trimmed = pc.utf8_trim_whitespace(pc.utf8_ltrim(text, "\ufeff"))
    cut = pc.sum(pc.not_equal(text, trimmed)).as_py() or 0
    return trimmed, int(cut)


def is_text(kind: Any) -> bool:
    """Return whether a plain type holds text, or bytes that may be text."""
    import pyarrow.types as types

    return any(
        test(kind)
        for test in (
            *(types.is_string, types.is_large_string),
            *(types.is_binary, types.is_large_binary, types.is_fixed_size_binary),
        )
    )


def is_missing(text: Any) -> NDArray[np.bool_]:
    """Return which strings, without blanks around them, stand for a value that is not there."""
    import pyarrow as pa
    import pyarrow.compute as pc

    known = pa.array(MISSING, text.type)
    found: NDArray[np.bool_] = pc.is_in(text, value_set=known).to_numpy(zero_copy_only=False)
    return found


def numbers(column: Any, fill: Any) -> NDArray[Any]:
    """Return a column of integers or floats as one array, with `fill` for nulls."""
    if column.num_chunks == 0:
        return np.empty(0, column.type.to_pandas_dtype())
    return np.concatenate([_filled(chunk, fill) for chunk in column.chunks])


def _filled(array: Any, fill: Any) -> NDArray[Any]:
    """Return integers (as int64, uint64 as it is) or floats, with `fill` where there is a null."""
    result: NDArray[Any] = np.asarray(
        array.fill_null(0).to_numpy(zero_copy_only=False) if array.null_count else array
    )
    if result.dtype.kind == "i" or result.dtype in (np.uint8, np.uint16, np.uint32):
        result = result.astype(np.int64, copy=False)
    if array.null_count:
        missing = array.is_null().to_numpy(zero_copy_only=False)
        result = result.copy()
        result[missing] = fill
    return result


def _distinct_integers(column: Any) -> tuple[NDArray[np.int64], Any]:
    import pandas as pd
    import pyarrow as pa

    whole = numbers(column, 0)
    if len(whole) == 0:
        return np.empty(0, np.int64), pa.array(whole)
    missing = None
    if column.null_count:
        missing = column.is_null().to_numpy()
        present = whole[~missing]
    else:
        present = whole
    if len(present) == 0:
        return np.full(len(whole), -1), pa.array(present)
    lowest, highest = int(present.min()), int(present.max())
    if highest - lowest < 4 * len(present) + 1000:
        # A table of all numbers between costs less than hashing each row.
        offset = present - present.dtype.type(lowest)
        used = np.zeros(highest - lowest + 1, dtype=bool)
        used[offset] = True
        values = np.flatnonzero(used).astype(present.dtype) + present.dtype.type(lowest)
        found = (np.cumsum(used, dtype=np.int64) - 1)[offset]
    else:
        found, values = pd.factorize(present)
    if missing is None:
        return found.astype(np.int64, copy=False), pa.array(values)
    places = np.full(len(whole), -1)
    places[~missing] = found
    return places, pa.array(values)


def _encoded(column: Any) -> Any:
    import pyarrow as pa

    try:
        return column.dictionary_encode()
    except pa.ArrowNotImplementedError:
        # Decimals of 32 and 64 bits.
        return column.cast(pa.decimal128(38, column.type.scale)).dictionary_encode()


def _unified(column: Any) -> Any:
    """Return a column of dictionaries in which all chunks have the same one."""
    import pyarrow as pa

    if column.num_chunks < 2:
        return column
    try:
        return column.unify_dictionaries()
    except pa.ArrowNotImplementedError:  # of truth values, or of nothing but nulls
        return column.cast(column.type.value_type).combine_chunks().dictionary_encode()


def _is_plain(kind: Any) -> bool:
    import pyarrow as pa
    import pyarrow.types as types

    views = {getattr(pa, name)() for name in ("string_view", "binary_view") if hasattr(pa, name)}
    other = isinstance(kind, pa.BaseExtensionType) or types.is_run_end_encoded(kind)
    return not (types.is_nested(kind) or other or kind in views)


def _plain_array(array: Any, what: str) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        name = kind.extension_name
        if name == "arrow.uuid":
            return _uuids(array.storage)
        if name not in ("arrow.json", "arrow.bool8"):
            raise InputError(f"{what}: holds {kind}, which is neither a number nor text")
        stored = array.storage
        return _plain_array(stored.cast(pa.bool_()) if name == "arrow.bool8" else stored, what)
    if pa.types.is_run_end_encoded(kind):
        return _plain_array(pc.run_end_decode(array), what)
    if pa.types.is_dictionary(kind):
        inner = _plain_array(array.dictionary, what)
        if pa.types.is_dictionary(inner.type):
            inner = inner.dictionary_decode()
        return pa.DictionaryArray.from_arrays(array.indices.cast(pa.int64()), inner)
    if pa.types.is_nested(kind):
        raise InputError(f"{what}: holds {kind}, which is neither a number nor text")
    if kind == getattr(pa, "string_view", pa.large_string)():
        return _cast_view(array, pa.large_string())
    if kind == getattr(pa, "binary_view", pa.large_binary)():
        return _cast_view(array, pa.large_binary())
    return array


def _cast_view(array: Any, kind: Any) -> Any:
    import pyarrow as pa

    try:
        return array.cast(kind)
    except pa.ArrowNotImplementedError:  # the first versions with views
        return pa.array(array.to_pylist(), kind)


def _uuids(storage: Any) -> Any:
    import uuid

    import pyarrow as pa

    return pa.array(
        [None if one is None else str(uuid.UUID(bytes=one)) for one in storage.to_pylist()],
        pa.large_string(),
    )
