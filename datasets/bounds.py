"""Limits that no honest text file reaches, so that a hostile one ends in one line, not in all memory."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from halfstep.errors import InputError

# A line is one user's items at most: a million of ten digits each is 11 MiB.
LONGEST_LINE = 64 << 20
# Play counts pack three- to fivefold. What packs better than 200-fold, and is large, is no data.
PACKING, LARGE = 200, 64 << 20


class Bounds:
    """What is left of one file's limits."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # An archive's members are called archive/member, and are packed as the archive is.
        stored = path if path.is_file() else path.parent
        packed = any(p.suffix in (".gz", ".tgz") for p in (path, stored)) and stored.is_file()
        self._left = max(LARGE, PACKING * stored.stat().st_size) if packed else None

    def take(self, chunk: bytes, rest: bytes, line: int) -> None:
        """Account for a chunk that was read, after which `rest` of line number `line` is unfinished.

        Raises
        ------
        InputError
            The line is longer than 64 MiB, or a packed file unpacks to 200 times its size.
        """
        if len(rest) > LONGEST_LINE:
            most = LONGEST_LINE >> 20
            raise InputError(
                f"{self.path}: a line must be at most {most} MiB, line {line} is longer"
            )
        if self._left is not None:
            self._left -= len(chunk)
            if self._left < 0:
                raise InputError(
                    f"{self.path}: a packed file must hold at most {PACKING} times its size, "
                    "this one unpacks to more"
                )


def read_all(file: IO[bytes], path: Path) -> bytes:
    """Return all of a file, unpacked, within the limits."""
    bounds, pieces = Bounds(path), []
    while piece := file.read(8 << 20):
        bounds.take(piece, b"", 0)
        pieces.append(piece)
    return b"".join(pieces)
