"""The bytes of a text file as UTF-8, whatever it is packed in and however it is encoded."""

from __future__ import annotations

import codecs
import io
import re
from pathlib import Path
from typing import IO

from halfstep.datasets.tables.separators import mark_of
from halfstep.datasets.tables.survey import Survey
from halfstep.datasets.text.blocks import Bounds
from halfstep.errors import InputError

_BLOCK = 8 << 20


class Utf8(io.RawIOBase):
    r"""A binary file that gives another file's text as UTF-8 without a byte-order mark.

    Parameters
    ----------
    file : binary file
    path : Path
        Of that file, for messages.
    encoding : str
        "utf-8" passes the bytes on as they are.
    newline : str
        "\r" makes each carriage return a line feed.
    separator : str
        "::" becomes what `mark_of` makes of it; " " makes one blank of several, and cuts those
        before and after a line.
    skipped : int
        Lines at the beginning that hold no rows.
    whole : bool
        Change separators; False leaves them to the reader of the lines.

    Attributes
    ----------
    survey : Survey
        Of what was given so far.
    """

    def __init__(
        self,
        file: IO[bytes],
        path: Path,
        encoding: str,
        newline: str,
        separator: str,
        skipped: int = 0,
        *,
        whole: bool = True,
    ) -> None:
        self._file, self._path, self._encoding = file, path, encoding
        self._newline, self._separator = newline, separator if whole else ""
        self._decoder = (
            None if encoding == "utf-8" else codecs.getincrementaldecoder(encoding)("strict")
        )
        self._bounds = Bounds(path)
        self._ready = b""
        self._rest = self._held = b""
        self._lines = 1
        self._first, self._over = True, False
        mark = mark_of(separator)
        self.survey = Survey(mark if len(mark.encode()) == 1 else ",", skipped)

    def _line(self, error: UnicodeError) -> int:
        """Return the number of the line in which a byte cannot be decoded."""
        before = error.object[: error.start] if isinstance(error, UnicodeDecodeError) else b""
        return self._lines + before.count(b"\n")

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes, all that are left if `size` is negative, b"" at the end."""
        parts, length = [self._ready], len(self._ready)
        while not self._over and (size < 0 or length < size):
            parts.append(self._next())
            length += len(parts[-1])
        joined = b"".join(parts)
        give, self._ready = (joined, b"") if size < 0 else (joined[:size], joined[size:])
        self.survey.take(give)
        return give

    def _next(self) -> bytes:
        raw = self._file.read(_BLOCK)
        self._over = not raw
        self._bounds.follow(raw, self._newline.encode(), self.survey.ended)
        chunk = raw
        if self._decoder is not None:
            try:
                chunk = self._decoder.decode(raw, final=self._over).encode("utf-8", "surrogatepass")
            except UnicodeError as error:
                raise InputError(
                    f"{self._path}: {_wrong(error)} of {self._encoding}, in line {self._line(error)}; "
                    "name the file's encoding with --encoding (in Python encoding=)"
                ) from None
            self._lines += chunk.count(b"\n")
        if self._first and chunk:
            chunk, self._first = chunk.removeprefix(codecs.BOM_UTF8), False
        if self._newline == "\r":
            chunk = self._held + chunk
            # A return at the chunk's end may belong to a line feed that comes next.
            self._held = b"\r" if chunk.endswith(b"\r") and not self._over else b""
            chunk = chunk[: len(chunk) - len(self._held)]
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if self._separator not in ("::", " "):
            return chunk
        whole, newline, tail = (self._rest + chunk).rpartition(b"\n")
        if self._over:
            whole, newline, tail = self._rest + chunk, b"", b""
        self._rest = tail
        if self._separator == "::":
            return (whole + newline).replace(b"::", mark_of("::").encode())
        return _one_blank(whole + newline)


def _wrong(error: UnicodeError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.object[error.start]:#04x} is no character"
    return "the bytes are no characters"


def _one_blank(block: bytes) -> bytes:
    block = re.sub(rb"[ \t]+", b" ", block)
    return re.sub(rb"(?m)^ | (?=\r?$)", b"", block)
