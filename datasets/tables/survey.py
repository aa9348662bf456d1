"""Survey a plain text file in one quick pass: its lines, and whether its integers are plain."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

_PIECE = 1 << 20
_SIGNS = (b"+", b"-", b" ", b'"')


@dataclass(frozen=True)
class Survey:
    """What a file's bytes show.

    Attributes
    ----------
    lines : int
        Lines; the last one may lack its end.
    blank : int
        Lines without a character.
    plain : bool
        Nothing in the file is padded, signed or quoted: no field begins with 0 and another digit, and
        there is no sign, no blank and no quote. An integer in it is written as Python would write it.
    """

    lines: int
    blank: int
    plain: bool


def survey(path: Path, separator: str, skipped: int) -> Survey:
    """Read a file once.

    Parameters
    ----------
    separator : str
        One byte.
    skipped : int
        Lines at the beginning that need not be plain.
    """
    mark = ord(separator)
    lines = blank = 0
    plain = True
    last = b"\n"
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            lines += piece.count(b"\n")
            # Two bytes of the piece before belong to what begins in it and ends in this one.
            text = last + piece
            for empty in (b"\n\n", b"\n\r\n"):
                if empty in text:
                    blank += _starts(text, empty, len(last))
            if plain:
                rows = text
                if skipped and lines >= skipped:
                    rows, skipped = b"\n" + text.split(b"\n", skipped + 1)[-1], 0
                plain = not any(sign in rows for sign in _SIGNS) and not _padded(rows, mark)
            last = text[-2:]
    return Survey(lines + (not last.endswith(b"\n")), blank, plain)


def _starts(text: bytes, pattern: bytes, seen: int) -> int:
    """Return how often a pattern ends after the first `seen` bytes, overlapping or not."""
    count = 0
    at = text.find(pattern)
    while at >= 0:
        count += at + len(pattern) > seen
        at = text.find(pattern, at + 1)
    return count


def _padded(text: bytes, mark: int) -> bool:
    """Return whether a field begins with 0 and another digit."""
    bytes_ = np.frombuffer(text, np.uint8)
    if len(bytes_) < 3:
        return False
    before, digit, after = bytes_[:-2], bytes_[1:-1], bytes_[2:]
    begins = (digit == 48) & ((before == mark) | (before == 10))
    return bool((begins & (after >= 48) & (after <= 57)).any())
