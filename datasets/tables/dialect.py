"""Find how a text table is written: its separator, its quotes, its header, by its first lines."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from halfstep.datasets.tables.header import header_of
from halfstep.datasets.tables.known_names import is_event
from halfstep.datasets.tables.options import TableOptions
from halfstep.datasets.tables.roles import Roles, roles_by_name, roles_by_place
from halfstep.datasets.tables.separators import SAMPLE, blank_before_quote, split
from halfstep.errors import InputError

_DECIMAL = re.compile(r"[+-]?\d+,\d+")


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
    decimal_comma : bool
        Whether a comma stands before the decimals of a value.
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
    decimal_comma: bool
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
    newline = "\r" if "\r" in text and "\n" not in text else "\n"
    ends = text.replace("\r\n", "\n") if newline == "\n" else text.replace("\r", "\n")
    lines = ends.split("\n")[: SAMPLE + 100]
    begin = 0
    comments: list[str] = []
    while begin < len(lines) and (not lines[begin].strip() or lines[begin].startswith("#")):
        comments += [lines[begin]] if lines[begin].strip() else []
        begin += 1
    body = lines[begin:]
    if not any(line.strip() for line in body):
        raise InputError(f"{path}: there are no rows in the file")
    separator, quoted, rows = split(body, options.separator, path)
    width = Counter(len(row) for row in rows[1:] or rows).most_common(1)[0][0]
    header = header_of(rows, width, comments, options, separator)
    names = tuple(name.strip() for name in header) if header else ("",) * width
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
        roles = roles_by_place(samples, options, path)
    else:
        roles = roles_by_name(names, options, path)
    value = [row[roles.value].strip() for row in samples] if roles.value is not None else []
    comma = any(_DECIMAL.fullmatch(field) for field in value)
    return Dialect(
        separator=separator,
        quoted=quoted,
        skipped=begin + (1 if has_line else 0),
        header=header is not None,
        names=names,
        width=width,
        newline=newline,
        blank_before_quote=quoted and blank_before_quote(body, separator),
        roles=roles,
        text_ids=_quoted_ids(body[1:] if has_line else body, separator, width, roles)
        if quoted
        else frozenset(),
        decimal_comma=comma and separator != "," and not any("." in field for field in value),
        samples=tuple(samples),
        notes=_notes(names, samples, roles),
    )


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
