"""Refuse files of which no reader here can make a table, and say what they are."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from halfstep.errors import InputError

POINTER = b"version https://git-lfs.github.com/spec/"
_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def check_known(path: Path) -> None:
    """Raise InputError if a file is a pointer of Git LFS, or a workbook or document of Office."""
    with suppress(OSError):  # whoever reads the file next says what is wrong with it
        with path.open("rb") as file:
            start = file.read(len(POINTER))
        check_start(path, start)
        if start.startswith(b"PK"):
            with suppress(zipfile.BadZipFile), zipfile.ZipFile(path) as archive:
                check_members(path, archive.namelist())


def check_start(path: Path, start: bytes) -> None:
    """Raise InputError if a file's first bytes are those of a pointer of Git LFS, or of old Office."""
    check_pointer(path, start)
    if start.startswith(_OFFICE):
        raise InputError(f"{path}: an old Excel or other Office file: save its table as CSV")


def check_pointer(path: Path, start: bytes) -> None:
    """Raise InputError if a file's first bytes are those of a pointer of Git LFS."""
    if start.startswith(POINTER):
        raise InputError(f"{path}: a Git LFS pointer, not the file itself: run `git lfs pull`")


def check_members(path: Path, members: Sequence[str]) -> None:
    """Raise InputError if the files in a .zip are those of an Office file."""
    if "[Content_Types].xml" in members:
        workbook = any(member.startswith("xl/") for member in members)
        kind = "an Excel file" if workbook else "an Office file"
        raise InputError(f"{path}: {kind}: save its table as CSV")
