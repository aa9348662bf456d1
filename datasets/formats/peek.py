"""The first bytes of a file, unpacked, by which its format is told."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from halfstep.datasets.text.blocks import read_all
from halfstep.datasets.text.packed import unpacked
from halfstep.errors import InputError

_HEAD = 1 << 16


def head(path: Path) -> bytes:
    """Return the first 64 KiB of a file, unpacked; b"" if what is packed is damaged.

    Whoever reads the file next says what is damaged.
    """
    with suppress(InputError), unpacked(path, any_member=True) as file:
        return file.read(_HEAD)
    return b""


def read_text(path: Path) -> str:
    """Return all text of a small file, unpacked: UTF-8, or else Windows-1252.

    Raises
    ------
    InputError
        The file cannot be unpacked, or is no text.
    """
    with unpacked(path) as file:
        raw = read_all(file, path)
    for encoding in ("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", "cp1252"):
        with suppress(UnicodeDecodeError):
            text = raw.decode(encoding)
            if "\0" not in text:
                return text
    raise InputError(f"{path}: not a text file")


def lines(start: bytes) -> list[str]:
    """Return the whole lines of the first bytes of a file."""
    text = start.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    found = text.splitlines()
    return found[:-1] if len(start) >= _HEAD else found
