"""Survey the bytes of a text table as they pass: its lines, its quotes, and how its integers look."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from halfstep.datasets.text.blocks import Bounds

_PIECE = 1 << 20
_SIGNS = (b"+", b"-", b" ", b'"', b"x", b"X")
_NEWLINE, _RETURN, _QUOTE, _ZERO = 10, 13, 34, 48


class Survey:
    """What the bytes show that have passed so far.

    Parameters
    ----------
    separator : str
        One byte.
    skipped : int
        Lines at the beginning that need not be plain.

    Attributes
    ----------
    ended : int
        Lines that have an end.
    blank : int
        Lines without a character.
    plain : bool
        No field begins with 0 and another digit, and there is no sign, no blank, no quote and no x,
        since Arrow reads 0x1F as an integer. Integers are then written as Python would write them.
    quotes, opened, closed : int
        All quotes, and those at the beginning and at the end of a field.
    returns : bool
        A carriage return stands without a line feed.
    stray : bool
        A quote stands neither at an end of a field nor beside another quote.
    """

    def __init__(self, separator: str, skipped: int) -> None:
        self._mark, self._skipped = ord(separator), skipped
        self._signs = _SIGNS if separator == "\t" else (*_SIGNS, b"\t")
        self.ended = 0
        self._last = b"\n"
        self.blank = 0
        self.plain = True
        self.stray = self.returns = False
        self.quotes = self.opened = self.closed = 0

    @property
    def lines(self) -> int:
        """Number of lines; the last one may lack its end."""
        return self.ended + (not self._last.endswith(b"\n"))

    def take(self, piece: bytes) -> None:
        """Look at the next bytes."""
        if not piece:
            return
        # Two bytes from before belong to what begins there and ends in this piece.
        before = len(self._last)
        text = self._last + piece
        # `bytes.count` stops at each hit, and takes five times as long.
        ends = np.frombuffer(text, np.uint8) == _NEWLINE
        self.ended += int(np.count_nonzero(ends[before:]))
        self.blank += int(np.count_nonzero(ends[before:] & ends[before - 1 : -1]))
        if b"\n\r\n" in text:
            self.blank += _ends(text, b"\n\r\n", before)
        if self.plain:
            rows = text
            if self._skipped and self.ended >= self._skipped:
                rows = b"\n" + text.split(b"\n", self._skipped + 1)[-1]
                self._skipped = 0
            signed = any(sign in rows for sign in self._signs)
            self.plain = not signed and not _padded(np.frombuffer(rows, np.uint8), self._mark)
        if b'"' in text:
            opened, closed, stray = _quotes(np.frombuffer(text, np.uint8), self._mark)
            self.quotes += int(np.count_nonzero(np.frombuffer(piece, np.uint8) == _QUOTE))
            self.opened += opened
            self.closed += closed
            self.stray = self.stray or stray
        if not self.returns and b"\r" in text:
            rest = text.replace(b"\r\n", b"")
            self.returns = b"\r" in rest[:-1] or (b"\r" in rest and not text.endswith(b"\r"))
        self._last = text[-2:]


def survey(path: Path, separator: str, skipped: int) -> Survey:
    """Return the survey of a whole file, which is not packed.

    Raises
    ------
    InputError
        A line is longer than 64 MiB.
    """
    found, bounds = Survey(separator, skipped), Bounds(path)
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            bounds.follow(piece, b"\n", found.ended)
            found.take(piece)
    return found


def _ends(text: bytes, pattern: bytes, seen: int) -> int:
    """Return how often a pattern ends after the first `seen` bytes, overlapping or not."""
    count = 0
    at = text.find(pattern)
    while at >= 0:
        count += at + len(pattern) > seen
        at = text.find(pattern, at + 1)
    return count


def _padded(text: NDArray[np.uint8], mark: int) -> bool:
    """Return whether a field begins with 0 and another digit."""
    if len(text) < 3:
        return False
    before, digit, after = text[:-2], text[1:-1], text[2:]
    begins = (digit == _ZERO) & ((before == mark) | (before == _NEWLINE))
    return bool((begins & (after >= _ZERO) & (after <= _ZERO + 9)).any())


def _quotes(text: NDArray[np.uint8], mark: int) -> tuple[int, int, bool]:
    """Return how many quotes begin a field, how many end one, and whether one does neither.

    Only quotes between two other bytes are looked at; one beside another quote does neither harm.
    """
    at = np.flatnonzero(text[1:-1] == _QUOTE) + 1
    before, after = text[at - 1], text[at + 1]
    begins = (before == mark) | (before == _NEWLINE) | (before == _RETURN)
    ends = (after == mark) | (after == _NEWLINE) | (after == _RETURN)
    beside = (before == _QUOTE) | (after == _QUOTE)
    return int(begins.sum()), int(ends.sum()), bool((~begins & ~ends & ~beside).any())
