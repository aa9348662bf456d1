"""Account for malformed lines: count them per kind and log them, so that none is dropped silently."""

from __future__ import annotations

import logging
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from halfstep.errors import InputError
from halfstep.files import whole_file

logger = logging.getLogger("halfstep.datasets")


class BadLine(NamedTuple):
    """One line that was left out."""

    file: str
    line: int
    kind: str
    text: str


class MalformedLines:
    """Counts one file's good lines, and per kind its malformed lines and their first five numbers."""

    def __init__(self, path: Path, listing: list[BadLine] | None = None) -> None:
        self.path = path
        self._listing = listing
        self.good = 0
        self.counts: dict[str, int] = {}
        self._first: defaultdict[str, list[int]] = defaultdict(list)

    def add(self, kind: str, line: int, text: str = "") -> None:
        """Count line number `line` (from 1), and append it to the listing if there is one."""
        if self._listing is not None:
            self._listing.append(BadLine(self.path.name, line, kind, text))
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if len(self._first[kind]) < 5:
            self._first[kind].append(line)

    @property
    def rows(self) -> int:
        """Number of lines read, without a header."""
        return self.good + sum(self.counts.values())

    def report(self) -> dict[str, dict[str, int]]:
        """Log a warning if there are malformed lines, and return `{file name: {kind: count}}`.

        Raises
        ------
        InputError
            The file has no good line.
        """
        if not self.counts:
            if self.good == 0:
                raise InputError(f"{self.path}: there are no lines after the header")
            return {}
        total = sum(self.counts.values())
        kinds = "; ".join(
            f"{kind}: {count} (line {', '.join(map(str, self._first[kind]))}"
            + (", ...)" if count > len(self._first[kind]) else ")")
            for kind, count in sorted(self.counts.items())
        )
        if self.good == 0:
            raise InputError(f"{self.path}: all {total} lines are malformed: {kinds}")
        logger.warning("%s: %d malformed lines left out: %s", self.path.name, total, kinds)
        return {self.path.name: dict(self.counts)}


def write_listing(path: Path, listing: list[BadLine]) -> None:
    """Write bad lines as a tab-separated table; control characters of a line are escaped.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    with whole_file(path) as file:
        file.write(b"file\tline\tkind\ttext\n")
        for bad in sorted(listing, key=lambda bad: (bad.file, bad.line)):
            text = "".join(
                c if c.isprintable() else c.encode("unicode_escape").decode() for c in bad.text
            )
            file.write(f"{bad.file}\t{bad.line}\t{bad.kind}\t{text}\n".encode("utf-8", "replace"))
