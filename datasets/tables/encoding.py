"""Find a text file's encoding: UTF-8, UTF-16, or else Windows-1252."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from pathlib import Path

from halfstep.datasets.text.blocks import cut
from halfstep.datasets.text.packed import unpacked
from halfstep.errors import InputError

_BLOCK = 8 << 20
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@dataclass(frozen=True)
class Encoding:
    """How a file's bytes become text.

    Attributes
    ----------
    codec : str
        "utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "cp1252" or what the caller named.
    shown : str
        The same for the account of the reading.
    mixed : bool
        Some lines are UTF-8 beyond ASCII and others are not UTF-8, which must be left out.
    note : str
        What the account must say about it, "" for nothing.
    """

    codec: str
    shown: str
    mixed: bool = False
    note: str = ""


def encoding_of(path: Path, start: bytes, said: str | None, whole: bool = False) -> Encoding:
    """Find the encoding by the file's first bytes, or by all of it.

    Parameters
    ----------
    start : bytes
        The first bytes, unpacked.
    said : str or None
        The caller's word for it.
    whole : bool
        Examine the whole file even if its first bytes are UTF-8.

    Raises
    ------
    InputError
        Python does not know the encoding that was said.
    """
    if said is not None:
        try:
            name = codecs.lookup(said).name
            b"a".decode(name)  # LookupError for codecs that make bytes of bytes
            if name in ("idna", "punycode", "undefined") or "escape" in name:
                raise LookupError(name)
        except (LookupError, UnicodeError):
            raise InputError(
                "--encoding must be an encoding that Python knows, such as utf-8 or cp1252, "
                f"got {said!r}"
            ) from None
        return Encoding(name, said)
    for mark, codec in _MARKS:
        if start.startswith(mark):
            return Encoding(codec, f"{codec.removesuffix('-le').removesuffix('-be')} with a mark")
    sample = start[: len(start) // 4 * 4]
    if len(sample) >= 4:
        for codec, zeros in (("utf-16-le", sample[1::2]), ("utf-16-be", sample[::2])):
            others = sample[::2] if codec == "utf-16-le" else sample[1::2]
            if zeros.count(0) > 0.4 * len(zeros) and others.count(0) == 0:
                return Encoding(codec, "utf-16")
    if not whole and _is_utf8(start, cut=True):
        return Encoding("utf-8", "utf-8")
    return _of_all(path)


def _of_all(path: Path) -> Encoding:
    """Examine the whole file line by line, as far as its blocks are not UTF-8."""
    beyond_ascii = wrong = False
    rest = b""
    with unpacked(path) as file:
        while chunk := file.read(_BLOCK):
            block, newline, tail = (rest + chunk).rpartition(b"\n")
            rest = tail
            block += newline
            if _is_utf8(block):
                beyond_ascii = beyond_ascii or not block.isascii()
                continue
            wrong = True
            for line in block.splitlines():
                beyond_ascii = beyond_ascii or (not line.isascii() and _is_utf8(line))
    if not rest.isascii():
        wrong, beyond_ascii = wrong or not _is_utf8(rest), beyond_ascii or _is_utf8(rest)
    if not wrong:
        return Encoding("utf-8", "utf-8")
    if beyond_ascii:
        note = "some lines are UTF-8 and others are not; those are left out (--encoding says otherwise)"
        return Encoding("utf-8", "utf-8, mixed", mixed=True, note=note)
    note = "the file is not UTF-8 and was read as Windows-1252 (--encoding says otherwise)"
    return Encoding("cp1252", "cp1252", note=note)


def first_not_utf8(path: Path) -> int:
    """Return the number of the first line that is not UTF-8."""
    with unpacked(path) as file:
        for first, block in cut(file, path):
            if not _is_utf8(block):
                lines = enumerate(block.split(b"\n"), start=first)
                return next(number for number, line in lines if not _is_utf8(line))
    return 1


def _is_utf8(text: bytes, cut: bool = False) -> bool:
    """Return whether bytes are UTF-8; `cut` allows a character that the end cuts."""
    try:
        codecs.getincrementaldecoder("utf-8")("strict").decode(text, final=not cut)
    except UnicodeDecodeError:
        return False
    return True
