"""Find a text file, refuse a file that is not text, and cut it into blocks of whole lines."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from halfstep.datasets.text.foreign import check_start
from halfstep.datasets.text.packed import packing_of, unpacked
from halfstep.errors import InputError

# Large enough that pandas' cost per call vanishes, small enough that one bad line sends only 8 MiB
# through the slow parser and that no reader holds the text of a whole dump.
BLOCK_BYTES = 8 << 20
BOM = b"\xef\xbb\xbf"
# The longest lines list all items of one user: a million ids of ten digits take 11 MiB.
LONGEST_LINE = 64 << 20
# Play counts compress three- to fivefold; a large file that compresses 200-fold is not data.
PACKING, LARGE = 200, 64 << 20


def blocks(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield (number of the first line, bytes of whole lines) for each block; what is packed is unpacked.

    Raises
    ------
    InputError
        The file is absent, empty, unreadable, damaged or plainly not a text table, or it
        exceeds `LONGEST_LINE` or `PACKING`.
    """
    try:
        with unpacked(path) as file:
            yield from cut(file, path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from error


def cut(file: IO[bytes], path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the blocks of an open file, as `blocks` does; error messages call the file `path`."""
    line = 1
    rest = b""
    try:
        bounds = Bounds(path)
        chunk = file.read(BLOCK_BYTES)
        check_is_text(path, chunk)
        chunk = chunk.removeprefix(BOM)
        while chunk:
            whole, newline, tail = chunk.rpartition(b"\n")
            if newline:
                block = rest + whole + newline
                yield line, block
                line += block.count(b"\n")
                rest = tail
            else:
                rest += chunk
            bounds.take(chunk, rest, line)
            chunk = file.read(BLOCK_BYTES)
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise InputError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from error
    if rest:
        yield line, rest


def first_lines(path: Path, count: int) -> list[str]:
    """Return up to `count` lines from the file's start, without line ends."""
    for _, block in blocks(path):
        head = block[: 1 << 20].splitlines()[:count]
        return [line.decode("utf-8", "replace") for line in head]
    return []


def find_one(folder: Path, pattern: str) -> Path | None:
    """Return the file in `folder` that matches `pattern`, plain or `.gz`, or None.

    Raises
    ------
    InputError
        Several files match, and choosing one would be a guess.
    """
    found = sorted(
        path
        for end in ("", ".gz")
        for path in folder.glob(pattern + end)
        if not path.name.startswith(".") and path.is_file()
    )
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise InputError(f"{folder}: only one file may match {pattern}, found {names}")
    return found[0] if found else None


def check_is_text(path: Path, head: bytes) -> None:
    """Raise InputError if a file's first bytes are empty or plainly no text table."""
    if not head:
        raise InputError(f"{path}: the file is empty")
    start = head[:8192]
    check_start(path, start)
    before, zero, _ = start.partition(b"\0")
    if zero and _is_text(before):
        line = before.count(b"\n") + 1
        raise InputError(f"{path}: the file holds a NUL byte in line {line}: it is no text table")
    if b"\0" in start or start.startswith((b"\x1f\x8b", b"\x89PNG", b"%PDF")):
        raise InputError(f"{path}: not a text file, it starts with the bytes {start[:8]!r}")
    opening = start.removeprefix(BOM).lstrip()[:14].lower()
    if opening.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise InputError(f"{path}: a web page or XML document, not a table")


def _is_text(start: bytes) -> bool:
    """Return whether bytes are UTF-8 and, beside blanks and line ends, hold characters to print only."""
    try:
        text = start.removeprefix(BOM).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return bool(text.strip()) and all(c.isprintable() or c.isspace() for c in text)


class Bounds:
    """The limits on one file: the length of a line, and the unpacked size of a packed file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # A member of an archive has the path archive/member, and is packed if the archive is.
        stored = path if path.is_file() else path.parent
        packed = stored.is_file() and bool(packing_of(stored))
        self._left = max(LARGE, PACKING * stored.stat().st_size) if packed else None
        self._unfinished = 0

    def take(self, chunk: bytes, rest: bytes, line: int) -> None:
        """Count a chunk that was read; `rest` is the unfinished part of line number `line`.

        Raises
        ------
        InputError
            The line is longer than 64 MiB, or a packed file unpacks to 200 times its size.
        """
        self._unfinished = len(rest)
        self._check(chunk, f"line {line} is")

    def follow(self, chunk: bytes, newline: bytes, lines: int) -> None:
        """Count a chunk that was read, of lines that others cut; at least `lines` end before it."""
        end = chunk.rfind(newline)
        self._unfinished = len(chunk) - end - 1 if end >= 0 else self._unfinished + len(chunk)
        if self._unfinished > LONGEST_LINE:
            lines += chunk.count(newline)
        self._check(chunk, f"one after line {lines} is")

    def _check(self, chunk: bytes, what: str) -> None:
        if self._unfinished > LONGEST_LINE:
            most = LONGEST_LINE >> 20
            raise InputError(f"{self.path}: a line must be at most {most} MiB, {what} longer")
        if self._left is not None:
            self._left -= len(chunk)
            if self._left < 0:
                raise InputError(
                    f"{self.path}: a packed file must hold at most {PACKING} times its size, "
                    "this one unpacks to more"
                )


def read_all(file: IO[bytes], path: Path) -> bytes:
    """Return all bytes of an open file, within the limits of `Bounds`."""
    bounds, pieces = Bounds(path), []
    while piece := file.read(8 << 20):
        bounds.take(piece, b"", 0)
        pieces.append(piece)
    return b"".join(pieces)
