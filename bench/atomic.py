"""A text file that appears whole or not at all, also when the program is interrupted."""

from __future__ import annotations

import os
from pathlib import Path

from halfstep.errors import InputError


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8; its folder is made if it is not there.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8", newline="\n")
        os.replace(partial, path)
    except OSError as error:
        raise InputError(f"'{path}' cannot be written: {error.strerror or error}") from error
    finally:
        if partial.exists():
            partial.unlink()
