"""Attributes in the order of a data set's rows, and an account of what did not fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from halfstep.datasets.features.encoder import FeatureEncoder
from halfstep.datasets.features.table import Table, read_feature_table
from halfstep.errors import InputError
from halfstep.plural import counted


@dataclass
class Features:
    """The attributes of a side, for `fit(user_features=...)` or `fit(item_features=...)`.

    Attributes
    ----------
    matrix
        (rows, p) CSR, float64, in the order of the data's rows.
    encoder
        What made its columns, and encodes other rows alike.
    side
        "user" or "item".
    unknown_ids
        How many of the table's ids the data do not have.
    without
        How many of the data's rows have no attribute.
    notes
        What was left out, a sentence each.

    See Also
    --------
    halfstep.datasets.features.read_features : Reads them from a file.

    Examples
    --------
    >>> from halfstep.datasets.features import Table, encode_features
    >>> table = Table(["b"], {"genre": [(0, "folk")]}, frozenset(), [])
    >>> genres = encode_features(table, ["a", "b"])
    >>> genres.shape, genres.without
    ((2, 2), 1)
    """

    matrix: sparse.csr_matrix
    encoder: FeatureEncoder
    side: str = "item"
    unknown_ids: int = 0
    without: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, p)."""
        rows, columns = self.matrix.shape
        return int(rows), int(columns)

    def sentences(self) -> list[str]:
        """Return what a reader should know of the attributes, a sentence each.

        Returns
        -------
        list of str

        See Also
        --------
        halfstep.datasets.features.read_features : Reads the attributes from a file.
        """
        rows, columns = self.shape
        kinds = [f"{one.name} ({one.kind}, {len(one.columns):,})" for one in self.encoder.known]
        shown = ", ".join(kinds[:8]) + (f" and {len(kinds) - 8} more" if len(kinds) > 8 else "")
        found = [
            f"{counted(columns - self.encoder.constant, 'columns')} of {self.side} attributes: {shown}"
        ]
        if self.without:
            found.append(f"{self.without:,} of {rows:,} {self.side}s have no attributes")
        if self.unknown_ids:
            found.append(
                f"the data do not have {self.unknown_ids:,} of the {self.side}s with attributes"
            )
        return [*found, *self.notes]


def read_features(
    path: str | PathLike[str],
    ids: Any,
    *,
    side: str = "item",
    table: str | None = None,
    id_column: str | None = None,
    min_count: int = 1,
    kinds: Mapping[str, str] | None = None,
    constant: bool = True,
    encoder: FeatureEncoder | None = None,
) -> Features:
    r"""Read the attributes of users or items from a file.

    Parameters
    ----------
    path : str or path
        A table of text (CSV, TSV, `::`), Parquet or Feather; long or wide: see `table`.
    ids : array or int
        The data's external ids in the order of its rows, such as `dataset.item_ids`; an integer n
        stands for the ids 0 to n - 1.
    side : {"user", "item"}
        Whose attributes they are: by it the column of ids is known.
    table : {"long", "wide"}, optional
        Whether a row is one attribute (id, name, value) or one id with a column for each field; found
        out by default.
    id_column : str, optional
        The name of the column of ids; found out by default.
    min_count, kinds, constant
        See `FeatureEncoder.of`.
    encoder : FeatureEncoder, optional
        Encode by the columns of another file instead, which may be a fit's.

    Returns
    -------
    Features
        Give it to `fit` as `user_features` or `item_features`.

    Raises
    ------
    InputError
        The file cannot be read; no id of it is the data's; or as `FeatureEncoder.of` and
        `read_feature_table` do.

    See Also
    --------
    halfstep.datasets.features.encode_features : The same for a table in memory.
    halfstep.AlternatingLeastSquares : Its `fit` takes the result.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from halfstep.datasets.features import read_features
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "tags.csv"
    ...     _ = path.write_text("item,tag\nx,folk\nx,live\ny,folk\ny,live\n")
    ...     tags = read_features(path, ["x", "y", "z"])
    >>> tags.encoder.names, tags.without
    (['tag=folk', 'tag=live', '(all)'], 1)
    """
    if side not in ("user", "item"):
        raise InputError(f"side must be 'user' or 'item', got {side!r}")
    path = Path(path)
    known = np.arange(ids) if isinstance(ids, int | np.integer) else np.asarray(ids)
    texts = [str(one) for one in known.tolist()]
    found = read_feature_table(path, side, table=table, id_column=id_column, known=frozenset(texts))
    try:
        return encode_features(
            found, texts, side=side, min_count=min_count, kinds=kinds, constant=constant,
            encoder=encoder,
        )  # fmt: skip
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def encode_features(
    table: Table,
    ids: list[str],
    *,
    side: str = "item",
    min_count: int = 1,
    kinds: Mapping[str, str] | None = None,
    constant: bool = True,
    encoder: FeatureEncoder | None = None,
) -> Features:
    """Return a table's attributes in the order of `ids`.

    Parameters
    ----------
    table : Table
        The attributes.
    ids : list of str
        The data's ids in the order of its rows, as text.
    side, min_count, kinds, constant, encoder
        As in `halfstep.datasets.features.read_features`.

    Returns
    -------
    Features

    Raises
    ------
    InputError
        No id of the table is in `ids`, or `kinds` or `min_count` comes with an encoder.

    See Also
    --------
    halfstep.datasets.features.read_features : Reads the table from a file.

    Examples
    --------
    >>> from halfstep.datasets.features import Table, encode_features
    >>> table = Table(["a", "b"], {"year": [(0, "1990"), (1, "2010")]}, frozenset(), [])
    >>> encode_features(table, ["b", "a"]).matrix.toarray()
    array([[ 1.,  1.],
           [-1.,  1.]])
    """
    place = {one: row for row, one in enumerate(ids)}
    rows = [place.get(one, -1) for one in table.ids]
    there = sum(row >= 0 for row in rows)
    if not there:
        raise InputError(
            f"its ids must be the data's {side}s, got {', '.join(map(repr, table.ids[:3]))}, "
            f"where the data have {', '.join(map(repr, ids[:3]))}"
        )
    inside = {
        name: [(rows[record], text) for record, text in pairs if rows[record] >= 0]
        for name, pairs in table.fields.items()
    }
    notes, given = list(table.notes), encoder is not None
    if given and (kinds or min_count != 1):
        raise InputError("kinds and min_count have no meaning with an encoder, which has its own")
    if encoder is None:
        kept = [one for one, row in zip(table.ids, rows, strict=True) if row >= 0]
        encoder, more = FeatureEncoder.of(
            Table(kept, inside, table.tags, []),
            min_count=min_count,
            kinds=kinds,
            constant=constant,
        )
        notes += more
    matrix = encoder.encode(len(ids), inside)
    others = [name for name in inside if name not in set(encoder.fields)]
    if given and others:
        notes.append(f"fields that the fit did not have are left out: {', '.join(others)}")
    if given and encoder.unknown.total():
        strange = ", ".join(
            f"{count:,} of {name}" for name, count in encoder.unknown.items() if count
        )
        notes.append(f"values that the fit did not see are left out: {strange}")
    without = int(np.count_nonzero(np.diff(matrix.indptr) == int(encoder.constant)))
    return Features(matrix, encoder, side, len(rows) - there, without, notes)
