"""`assemble`: the last step of every reader of tables, from columns to a data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from halfstep.datasets.dataset import Dataset
from halfstep.datasets.tables.fields import fields
from halfstep.datasets.tables.options import TableOptions
from halfstep.datasets.tables.reading import Reading


def assemble(
    name: str,
    columns: Mapping[str, Any],
    reading: Reading,
    options: TableOptions,
    *,
    rating: bool,
    text_ids: frozenset[str] = frozenset(),
    decimal_comma: bool | None = False,
    rows: NDArray[Any] | None = None,
) -> Dataset:
    """Build a data set from the columns of a table.

    Parameters
    ----------
    name : str
        The data set's.
    columns : mapping
        "user", "item", and perhaps "value", "time" and "name": `pyarrow.Array` or
        `pyarrow.ChunkedArray` of any type, all of one length.
    reading : Reading
        The account so far; what is left out here, duplicates and notes are added to it, and it goes into
        the data set's provenance. Its `rows` are set if they are still 0.
    options : TableOptions
        Of which `negative` and `duplicates` are heeded here.
    rating : bool
        Whether values are ratings, which are not added up where a user has several of one item.
    text_ids : frozenset of str
        "user" or "item" if their ids stay text, even those that look like integers.
    decimal_comma : bool or None
        Whether a comma in values of text is known to stand before decimals. If False, 1,234 is a
        thousand and more; if None, that is an error unless other values of the column tell.
    rows : ndarray, optional
        Shape (rows,): the line number of each row, for messages. If None, rows are numbered from 1.

    Raises
    ------
    InputError
        A column's type does not fit its role, there are values below 0 and `options` do not say what to
        do with them, or no row is left.
    """
    found = fields(
        name,
        columns,
        reading,
        options,
        rating=rating,
        text_ids=text_ids,
        decimal_comma=decimal_comma,
        rows=rows,
    )
    return Dataset(**found)
