"""Small invented tables in the forms that people have, each with its right reading.

`CASES` lists them; `Case.write` puts the file into a folder. The content is the same wherever the form
allows it: twelve users with five of fifteen items each, sixty entries.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Entries = dict[tuple[str, str], float]


@dataclass(frozen=True)
class Row:
    """Entry `place` (from 0) of user `u` (0 to 11) and item `i` (0 to 14), `plays` 1 to 5."""

    place: int
    u: int
    i: int

    @property
    def plays(self) -> int:
        return 1 + self.place % 5

    @property
    def seconds(self) -> int:
        return 1_500_000_000 + 977 * self.place

    @property
    def day(self) -> str:
        return f"{1 + self.place % 28:02d}"


def _rows() -> list[Row]:
    chance = random.Random(11)
    pairs = [(u, i) for u in range(12) for i in chance.sample(range(15), 5)]
    return [Row(place, u, i) for place, (u, i) in enumerate(pairs)]


ROWS = _rows()
_CHANCE = random.Random(12)
SHA = [f"{_CHANCE.getrandbits(160):040x}" for _ in range(12)]
CUSTOMERS = [f"{_CHANCE.getrandbits(64):016x}" for _ in range(12)]
REVIEWERS = [f"A{_CHANCE.getrandbits(60):014X}"[:14] for _ in range(12)]
ASINS = [f"B{_CHANCE.getrandbits(40):09X}"[:10] for _ in range(15)]
MBIDS = [f"{_CHANCE.getrandbits(128):032x}" if i % 4 else "" for i in range(15)]
ARTISTS = [
    *("the seven gulls", "311", "1349", "Skøg", '"quoted" band', "65", "Oak & Co", "nan", "Null"),
    *("2814", "gull", "tern", "auk", "skua", "eider"),
]
ISBNS = [f"0{_CHANCE.randint(10**7, 10**8 - 1)}{'X' if i % 3 == 0 else i % 10}" for i in range(15)]


def entries(
    user: Callable[[int], Any],
    item: Callable[[int], Any],
    value: Callable[[Row], float] | None = None,
) -> Entries:
    """Return {(user id, item id) as text: value}, 1 for each row if there is no value."""
    found: Entries = {}
    for r in ROWS:
        key = (str(user(r.u)), str(item(r.i)))
        found[key] = found.get(key, 0.0) + (1.0 if value is None else float(value(r)))
    return found


@dataclass(frozen=True)
class Case:
    """A file, and how it is read.

    Attributes
    ----------
    name
        The file's or folder's name.
    write
        Called with the path to write.
    expected
        {(user id, item id): value} of the whole, None where the reader must ask.
    said
        Arguments of `load_data` that make an answer of a question, or another reading.
    told
        The reading with `said`; the same as `expected` if None.
    columns
        The roles that the account must name: {"user": "customer_id"}.
    times
        Whether each entry must have a time.
    left_out
        Number of rows left out, by reason.
    held_out
        Number of entries in `test`.
    duplicates
        Number of rows that fell together with others.
    """

    name: str
    write: Callable[[Path], object]
    expected: Entries | None
    said: Mapping[str, Any] = field(default_factory=dict)
    told: Entries | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    times: bool = False
    left_out: Mapping[str, int] = field(default_factory=dict)
    held_out: int = 0
    duplicates: int = 0


def text(content: str, encoding: str = "utf-8", newline: str = "\n") -> Callable[[Path], object]:
    """Return a writer of a text file."""
    return lambda path: path.write_bytes(content.replace("\n", newline).encode(encoding))


def lines(
    form: str,
    header: str = "",
    encoding: str = "utf-8",
    newline: str = "\n",
    **more: Callable[[Row], object],
) -> Callable[[Path], object]:
    """Return a writer of one line for each row.

    `form` is a template of the fields of `_fields`, and of those in `more`, which get the row.
    """
    made = "".join(
        form.format_map({**_fields(row), **{name: of(row) for name, of in more.items()}}) + "\n"
        for row in ROWS
    )
    return text(header + made, encoding, newline)


def _fields(row: Row) -> dict[str, object]:
    return {
        "u": row.u,
        "i": row.i,
        "u1": row.u + 1,
        "i1": row.i + 1,
        "k": row.place,
        "plays": row.plays,
        "s": row.seconds,
        "ms": 1000 * row.seconds,
        "day": row.day,
        "sha": SHA[row.u],
        "customer": CUSTOMERS[row.u],
        "reviewer": REVIEWERS[row.u],
        "asin": ASINS[row.i],
        "mbid": MBIDS[row.i],
        "artist": ARTISTS[row.i],
        "isbn": ISBNS[row.i],
    }


def one(number: int) -> int:
    """Number from 1."""
    return number + 1


def same(number: int) -> int:
    """Number from 0."""
    return number


def plays(row: Row) -> float:
    """Return the value of most tables."""
    return row.plays
