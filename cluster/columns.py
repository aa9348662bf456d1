"""Which column of a table is the user, the item and the value: what the caller says, or by known names.

The names are those by which `halfstep.datasets` tells the columns of a table in one process.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

from halfstep.datasets.tables.known_names import strength
from halfstep.datasets.tables.options import TableOptions
from halfstep.datasets.tables.roles import roles_by_name
from halfstep.errors import InputError

log = logging.getLogger("halfstep")

Column = str | int | None
Value = Column | Literal[False]


class Chosen(NamedTuple):
    """The columns that a fit takes.

    Attributes
    ----------
    user, item, value
        Their names; `value` is None where each row counts 1.
    unused
        The names of the others.
    rating
        Whether the values are ratings by the column's name, of which a pair has one.
    """

    user: str
    item: str
    value: str | None
    unused: tuple[str, ...] = ()
    rating: bool = False

    def said(self) -> str:
        """Return what is taken and what is not, as `halfstep fit` says it of a table in one process."""
        value = "none, each row counts 1" if self.value is None else self.value
        unused = f"; not used: {', '.join(self.unused)}" if self.unused else ""
        return f"user: {self.user}, item: {self.item}, value: {value}{unused}"


def chosen(
    source: Any,
    storage_options: dict[str, Any] | None,
    *,
    user: Column = None,
    item: Column = None,
    value: Value = None,
) -> Chosen:
    """Return the columns of Parquet files or a Dask dataframe that a fit takes.

    Parameters
    ----------
    source
        A path, a pattern or a folder of Parquet files, of which the first one is asked; or a dataframe.
    user, item, value
        A column's name or its number from 1; None finds it by its name. `value` False: each row
        counts 1, whatever columns there are.

    Raises
    ------
    InputError
        There are no files or no such columns, or which is which cannot be told; the message lists the
        columns.
    """
    where, names = _names(source, storage_options or {})
    for role, column in (("user", user), ("item", item), ("value", value)):
        if isinstance(column, bool) and (role, column) != ("value", False):
            raise InputError(f"{role} must be a column's name or number, got {column!r}")
    asked = names
    if value is False:  # no doubt about values matters
        asked = ["" if strength("value", n) and n not in (user, item) else n for n in names]
    options = TableOptions(user=user, item=item, value=None if value is False else value)
    roles = roles_by_name(asked, options, where)
    place = None if value is False else roles.value
    taken = {roles.user, roles.item, place}
    return Chosen(
        names[roles.user],
        names[roles.item],
        None if place is None else names[place],
        tuple(name for at, name in enumerate(names) if at not in taken),
        roles.rating and place is not None,
    )


def warn_of_added_ratings(columns: Chosen, rows: int, entries: int) -> None:
    """Warn if ratings of one user and item were added up, where one process takes the last one."""
    if columns.rating and rows > entries:
        log.warning(
            "%s more rows of the same user and item: their values were added, although %r is a name of "
            "ratings, of which halfstep fit takes the last one; leave one row of each pair to do so",
            f"{rows - entries:,}", columns.value,
        )  # fmt: skip


def parquet_urls(given: Any, storage_options: dict[str, Any] | None) -> list[str]:
    """Return the URLs of the Parquet files of a path, a pattern or a folder, in order; none if none.

    Raises
    ------
    InputError
        The file system is not known.
    """
    import fsspec

    text = os.fspath(given)
    text = text if "://" in text else os.path.abspath(os.path.expanduser(text))
    try:
        system, path = fsspec.core.url_to_fs(text, **(storage_options or {}))
    except (ImportError, ValueError) as error:
        raise InputError(f"'{given}' cannot be opened: {error}") from None
    if any(mark in path for mark in "*?["):
        found = system.glob(path)
    elif system.isdir(path):
        found = [name for name in system.find(path) if _is_data(name[len(path) :])]
    else:
        found = [path] if system.exists(path) else []
    return [system.unstrip_protocol(name) for name in sorted(found)]


def _is_data(below: str) -> bool:
    """Return whether a path below a folder is of its data: no other writer's half-written files."""
    parts = below.strip("/").split("/")
    return below.endswith((".parquet", ".pq")) and not any(p[0] in "._" for p in parts)


def columns_in(url: str, storage_options: dict[str, Any] | None) -> list[str]:
    """Return the names of a Parquet file's columns.

    Raises
    ------
    InputError
        It cannot be read as Parquet.
    """
    import fsspec
    from pyarrow import parquet

    remedy = (
        "; a table of text is read by halfstep.load_data (--data on the command line) if it fits one "
        "machine"
    )
    with (
        as_parquet(_short(url), remedy),
        fsspec.open(url, "rb", **(storage_options or {})) as stream,
    ):
        return list(parquet.read_schema(stream).names)


@contextmanager
def as_parquet(path: str, remedy: str = "") -> Iterator[None]:
    """Raise InputError, which names the file, where it cannot be read as Parquet inside the block."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"'{path}' cannot be read as Parquet: {reason}{remedy}") from None


def _names(source: Any, storage_options: dict[str, Any]) -> tuple[str, list[str]]:
    """Return what messages call a table, and the names of its columns."""
    if not isinstance(source, str | os.PathLike):
        if not hasattr(source, "to_delayed") or not hasattr(source, "columns"):
            raise InputError(
                "source must be a path or pattern of Parquet files, a Dask dataframe or a sparse "
                f"matrix, got {type(source).__name__}"
            )
        wrong = [name for name in source.columns if not isinstance(name, str)]
        if wrong:
            raise InputError(f"columns of the dataframe must have texts as names, got {wrong[0]!r}")
        return "the dataframe", list(source.columns)
    urls = parquet_urls(source, storage_options)
    if not urls:
        raise InputError(f"no Parquet files match '{os.fspath(source)}'")
    return f"'{_short(urls[0])}'", columns_in(urls[0], storage_options)


def _short(url: str) -> str:
    """Return a URL as messages have it: a local file by its path."""
    return url.removeprefix("file://")
