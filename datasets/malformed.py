"""The account of lines that could not be used: counted per kind, told once, never dropped in silence."""

from __future__ import annotations

import logging
from collections import defaultdict
from pathlib import Path

from halfstep.errors import InputError

logger = logging.getLogger("halfstep.datasets")


class MalformedLines:
    """Counts one file's good lines, and its malformed ones per kind with the first five line numbers."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.good = 0
        self.counts: dict[str, int] = {}
        self._first: defaultdict[str, list[int]] = defaultdict(list)

    def add(self, kind: str, line: int) -> None:
        """Count line number `line` (from 1)."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if len(self._first[kind]) < 5:
            self._first[kind].append(line)

    @property
    def rows(self) -> int:
        """Number of lines read, a header not counted."""
        return self.good + sum(self.counts.values())

    def report(self) -> dict[str, dict[str, int]]:
        """Log a warning if there are any, and return `{file name: {kind: count}}` for the provenance.

        Raises
        ------
        InputError
            If none of the file's lines was good.
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
