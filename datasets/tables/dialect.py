"""Find how a text table is written: its separator, its quotes, its header, by its first lines."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from halfstep.datasets.tables.header import counts_up, header_of, may_be_header, names_columns
from halfstep.datasets.tables.known_names import is_event
from halfstep.datasets.tables.options import TableOptions
from halfstep.datasets.tables.roles import Roles, roles_by_name, roles_by_place
from halfstep.datasets.tables.separators import SAMPLE, SEPARATORS, blank_before_quote, split
from halfstep.datasets.tables.times import without_times
from halfstep.errors import InputError


@dataclass(frozen=True)
class Dialect:
    r"""How the lines of a table are written.

    Attributes
    ----------
    separator : str
        Between two fields; " " is any number of blanks.
    quoted : bool
        Whether fields may be in double quotes.
    skipped : int
        Lines before the first row: comments, blank lines, the header.
    header : bool
        Whether one of these names the columns.
    names : tuple of str
        The columns' names, "" without one.
    width : int
        Fields of a row.
    newline : str
        "\n" or "\r".
    blank_before_quote : bool
        Whether blanks stand between a separator and a quote.
    roles : Roles
        Which column is what.
    text_ids : frozenset of str
        "user" or "item" if their ids are in quotes, and so are text.
    samples : tuple
        The first rows.
    notes : tuple of str
        Sentences for the account.
    """

    separator: str
    quoted: bool
    skipped: int
    header: bool
    names: tuple[str, ...]
    width: int
    newline: str
    blank_before_quote: bool
    roles: Roles
    text_ids: frozenset[str]
    samples: tuple[Sequence[str], ...]
    notes: tuple[str, ...] = ()

    def named(self, place: int) -> str:
        """Return a column's name, or its number from 1 if it has none."""
        return self.names[place] or f"column {place + 1}"


def dialect_of(text: str, options: TableOptions, path: Path) -> Dialect:
    """Find how a table is written.

    Parameters
    ----------
    text : str
        The file's first lines, whole ones.
    options : TableOptions
        What the caller says about it.

    Raises
    ------
    InputError
        The file has no rows, fewer than two columns, or columns whose roles cannot be told.
    """
    import pyarrow as pa

    newline = "\r" if "\r" in text and "\n" not in text else "\n"
    ends = text.replace("\r\n", "\n") if newline == "\n" else text.replace("\r", "\n")
    lines = ends.split("\n")[: SAMPLE + 100]
    begin, said, comments = _above(lines, options.separator)
    body = lines[begin:]
    if not any(line.strip() for line in body):
        raise InputError(f"{path}: there are no rows in the file")
    if body[0].lstrip().startswith(("{'", "{u'", "[{'")):
        raise InputError(
            f"{path}: its lines are Python dictionaries, {body[0][:40]!r}; write them as JSON, one "
            "object a line"
        )
    separator, quoted, rows = split(body, said, path)
    width = Counter(len(row) for row in rows[1:] or rows).most_common(1)[0][0]
    header = header_of(rows, width, comments, options, separator)
    names = tuple(name.strip("\ufeff ") for name in header) if header else ("",) * width
    in_comment = header is not None and header is not rows[0] and len(rows[0]) == width
    has_line = header is not None and not in_comment
    samples = [row for row in (rows[1:] if has_line else rows) if len(row) == width]
    if not samples:
        raise InputError(f"{path}: there are no rows after the header {_shown(rows[0])}")
    if header is not None and len(header) != width:
        raise InputError(
            f"{path}: the header {_shown(header)} names {len(header)} columns, and most lines "
            f"have {width} fields; if the separator is another one, say --separator (in Python "
            "separator=)"
        )
    if header is None:
        if len(rows[0]) != width and options.header is None:
            raise InputError(
                f"{path}: the first line, {_shown(rows[0])}, has {len(rows[0])} fields, and most others "
                f"have {width}; if the separator is another one, say --separator, or if this line is "
                "only broken, --no-header (in Python separator= and header=False)"
            )
        if may_be_header(rows, width, options):
            raise InputError(
                f"{path}: it cannot be told whether the first line, {_shown(rows[0])}, names the "
                "columns; if it does, say --user-column and --item-column with its names, or else "
                "--no-header (in Python header=True or header=False)"
            )
        roles = roles_by_place(samples, options, path)
    else:
        roles = roles_by_name(names, options, path)
    _check_quotes(samples, roles, path)
    place = roles.value
    values = None if place is None else pa.array([row[place] for row in samples])
    roles, notes = without_times(roles, names, values, options)
    if header is None and counts_up(rows[0], options):
        notes.append(f"the first line, {_shown(rows[0])}, is taken for a row, not for a header")
    return Dialect(
        separator=separator,
        quoted=quoted,
        # A name in quotes may hold line ends.
        skipped=begin + (1 + sum(name.count("\n") for name in rows[0]) if has_line else 0),
        header=header is not None,
        names=names,
        width=width,
        newline=newline,
        blank_before_quote=quoted and blank_before_quote(body, separator),
        roles=roles,
        text_ids=_quoted_ids(body[1:] if has_line else body, separator, width, roles)
        if quoted
        else frozenset(),
        samples=tuple(samples),
        notes=(*notes, *_notes(names, samples, roles), *_skipped(comments)),
    )


def _above(lines: Sequence[str], separator: str | None) -> tuple[int, str | None, list[str]]:
    """Return (where the table begins, its separator if a line says it, the comments above it).

    Excel takes "sep=;" in the first line. A line that begins with # is a comment, unless it has as many
    fields as the lines below it and names no columns.
    """
    begin = 0
    marked = re.fullmatch(r'"?sep=(.)"?', lines[0].strip(" ")) if lines else None
    if marked:
        begin, separator = 1, separator or marked[1]
    comments: list[tuple[int, str]] = []
    while begin < len(lines) and (not lines[begin].strip() or lines[begin].startswith("#")):
        comments += [(begin, lines[begin])] if lines[begin].strip() else []
        begin += 1
    below = next((line for line in lines[begin:] if line.strip()), None)
    for at, comment in comments:
        if below is None or _alike(comment, below, separator):
            return at, separator, [line for place, line in comments if place < at]
    return begin, separator, [line for _, line in comments]


def _alike(comment: str, line: str, separator: str | None) -> bool:
    """Return whether a comment has the fields of a row, and they are not the names of columns."""
    for mark in SEPARATORS if separator is None else (separator,):
        fields = comment.lstrip("# ").split(mark)
        if mark in line and comment.count(mark) == line.count(mark):
            return not names_columns(fields)
    return False


def _check_quotes(samples: Sequence[Sequence[str]], roles: Roles, path: Path) -> None:
    """Raise InputError if ids are in single quotes, which then would be part of them."""
    for role, place in (("user", roles.user), ("item", roles.item)):
        fields = [row[place].strip() for row in samples]
        if all(len(field) > 1 and field[0] == field[-1] == "'" for field in fields):
            raise InputError(
                f"{path}: the {role}s are in single quotes, the first is {fields[0][:40]}; write fields "
                "in double quotes, or in none"
            )


def _skipped(comments: Sequence[str]) -> tuple[str, ...]:
    if not comments:
        return ()
    shown = repr(comments[0][:40])
    more = f" and {len(comments) - 1} more" if len(comments) > 1 else ""
    return (f"comments above the table are left out: {shown}{more}",)


def _quoted_ids(lines: Sequence[str], separator: str, width: int, roles: Roles) -> frozenset[str]:
    """Return which of user and item have all their fields in quotes."""
    found = set()
    split = [line.split(separator) for line in lines[:SAMPLE] if line.strip()]
    plain_rows = [row for row in split if len(row) == width]
    for role, place in (("user", roles.user), ("item", roles.item)):
        fields = [field for row in plain_rows if (field := row[place].strip())]
        if fields and all(len(f) > 1 and f[0] == f[-1] == '"' for f in fields):
            found.add(role)
    return frozenset(found)


def _notes(names: Sequence[str], samples: Sequence[Sequence[str]], roles: Roles) -> tuple[str, ...]:
    """Say what a reader might take the table for, but what does not count."""
    for place, name in enumerate(names):
        if is_event(name):
            kinds = sorted({row[place] for row in samples})
            if roles.value is None and 1 < len(kinds) <= 20:
                shown = ", ".join(kinds[:5])
                return (f"all kinds of {name} ({shown}) count alike: each row counts 1",)
    return ()


def _shown(row: Sequence[str]) -> str:
    return repr(" | ".join(row)[:80])
