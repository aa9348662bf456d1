"""The bytes of a text file as UTF-8, whatever it is packed in and however it is encoded."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from halfstep.datasets.formats.peek import packing_of
from halfstep.datasets.text.blocks import Bounds
from halfstep.errors import InputError

_BLOCK = 8 << 20
_BLANK = re.compile(rb"(?<=\n)\r?\n")
_UNREADABLE = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)


@contextmanager
def unpacked(path: Path) -> Iterator[IO[bytes]]:
    """Open a file; .gz, .bz2, .xz, .zst and .zip are told by their first bytes and unpacked.

    Raises
    ------
    InputError
        The file is absent or damaged, or a .zip holds anything but one file.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    packing = packing_of(path)
    try:
        if packing == "zip":
            with zipfile.ZipFile(path) as archive, archive.open(_member(path, archive)) as inside:
                yield inside
            return
        with _opened(path, packing) as file:
            yield file
    except _UNREADABLE as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"{path}: cannot be read: {reason}") from error


def _opened(path: Path, packing: str) -> IO[bytes]:
    if packing == "gzip":
        return cast("IO[bytes]", gzip.open(path, "rb"))
    if packing == "bzip2":
        return cast("IO[bytes]", bz2.open(path, "rb"))
    if packing == "xz":
        return cast("IO[bytes]", lzma.open(path, "rb"))
    if packing == "zstd":
        import pyarrow as pa

        return cast("IO[bytes]", pa.CompressedInputStream(str(path), "zstd"))
    return path.open("rb")


def _member(path: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    files = [
        member
        for member in archive.infolist()
        if not member.is_dir()
        and not member.filename.startswith("__MACOSX/")
        and not Path(member.filename).name.startswith(".")
    ]
    if len(files) != 1:
        names = ", ".join(member.filename for member in files[:10]) or "none"
        raise InputError(
            f"{path}: a .zip must hold one file, it holds {names}; unpack it and name the table"
        )
    if files[0].flag_bits & 1:
        raise InputError(f"{path}: the file in it is encrypted; unpack it first")
    return files[0]


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
        "::" becomes the unit separator, byte 0x1f; " " makes one blank of several, and cuts those
        before and after a line.

    """

    def __init__(
        self, file: IO[bytes], path: Path, encoding: str, newline: str, separator: str
    ) -> None:
        self._file, self._path, self._encoding = file, path, encoding
        self._newline, self._separator = newline, separator
        self._decoder = (
            None if encoding == "utf-8" else codecs.getincrementaldecoder(encoding)("strict")
        )
        self._bounds = Bounds(path)
        self._ready = b""
        self._rest = b""
        self._first, self._over = True, False
        self._newlines, self._last = 0, b"\n"
        self.blank = 0

    @property
    def lines(self) -> int:
        """Number of lines given so far; the last one may lack its end."""
        return self._newlines + (not self._last.endswith(b"\n"))

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
        self._count(give)
        return give

    def _count(self, text: bytes) -> None:
        if not text:
            return
        self._newlines += text.count(b"\n")
        if b"\n\n" in text or b"\n\r\n" in text:
            self.blank += len(_BLANK.findall(text))
        edge = self._last + text[:2]
        self.blank += len(_BLANK.findall(edge)) - len(_BLANK.findall(text[:2]))
        self._last = text[-2:] if len(text) > 1 else edge[-2:]

    def _next(self) -> bytes:
        raw = self._file.read(_BLOCK)
        self._over = not raw
        self._bounds.take(raw, b"", 0)
        chunk = raw
        if self._decoder is not None:
            try:
                chunk = self._decoder.decode(raw, final=self._over).encode("utf-8", "surrogatepass")
            except UnicodeError as error:
                raise InputError(
                    f"{self._path}: {_wrong(error)} after line {self._newlines}: it is not "
                    f"{self._encoding}; name its encoding with --encoding (in Python encoding=)"
                ) from None
        if self._first and chunk:
            chunk, self._first = chunk.removeprefix(codecs.BOM_UTF8), False
        if self._newline == "\r":
            chunk = chunk.replace(b"\r", b"\n")
        if self._separator not in ("::", " "):
            return chunk
        whole, newline, tail = (self._rest + chunk).rpartition(b"\n")
        if self._over:
            whole, newline, tail = self._rest + chunk, b"", b""
        self._rest = tail
        if self._separator == "::":
            return (whole + newline).replace(b"::", b"\x1f")
        return _one_blank(whole + newline)


def _wrong(error: UnicodeError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.object[error.start]:#04x} is no character"
    return "the bytes are no characters"


def _one_blank(block: bytes) -> bytes:
    block = re.sub(rb"[ ]{2,}", b" ", block)
    return re.sub(rb"(?m)^ | (?=\r?$)", b"", block)
