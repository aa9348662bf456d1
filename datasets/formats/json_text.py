"""The lines of a file of JSON, and what each of them holds."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import IO, Any, cast

from halfstep.datasets.text.blocks import cut
from halfstep.datasets.text.packed import unpacked
from halfstep.errors import InputError

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Damage(Enum):
    """Why a line is no JSON."""

    NOT_JSON = "not JSON"
    COMMA = "a comma after the object"


def parsed(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield (line number, what the line holds, or a `Damage`) for the lines that are not blank.

    The members of a file that is one list are numbered instead.

    Raises
    ------
    InputError
        The file cannot be read, or is one list that is damaged.
    """
    for first_line, block in _blocks(path):
        for line, raw in enumerate(block.split(b"\n"), start=first_line):
            if line == 1 and raw.lstrip().startswith(b"["):
                yield from enumerate(_list(path), start=1)
                return
            if raw.strip():
                try:
                    yield line, json.loads(raw.decode("utf-8"))
                except (ValueError, RecursionError):
                    yield line, Damage.COMMA if _ends_in_comma(raw) else Damage.NOT_JSON


def one_a_line(path: Path, objects: int) -> bool:
    """Return whether a file of so many objects surely has one in each line.

    Inside an object, no line that ends with "}" is followed by one that begins with "{". So where all
    lines begin and end with these, each holds whole objects, and as many lines as objects hold one each.
    """
    lines = starts = ends = 0
    for _, block in _blocks(path):
        unfinished = not block.endswith(b"\n")
        lines += block.count(b"\n") + unfinished
        starts += block.count(b"\n{") + block.startswith(b"{")
        ends += block.count(b"}\n") + block.count(b"}\r\n") + (unfinished and block.endswith(b"}"))
    return lines == starts == ends == objects


def is_text(text: str) -> bool:
    """Return whether a string can be written as UTF-8: JSON may escape half of a pair of surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _blocks(path: Path) -> Iterator[tuple[int, bytes]]:
    with unpacked(path) as file:
        try:
            yield from cut(_as_utf8(path, file), path)
        except UnicodeError as error:
            raise InputError(f"{path}: is not in UTF-16 throughout: {error}") from None


def _as_utf8(path: Path, file: IO[bytes]) -> IO[bytes]:
    with unpacked(path) as again:
        if not again.read(2).startswith(_UTF_16):
            return file
    return cast("IO[bytes]", codecs.EncodedFile(file, "utf-8", "utf-16"))


def _ends_in_comma(raw: bytes) -> bool:
    """Return whether a line is an object and a comma, as in a list without its brackets."""
    start, comma, _ = raw.rstrip().rpartition(b",")
    if not comma or not raw.rstrip().endswith(b","):
        return False
    try:
        return isinstance(json.loads(start.decode("utf-8")), dict)
    except (ValueError, RecursionError):
        return False


def _list(path: Path) -> list[Any]:
    """Return the members of a file that holds one JSON list."""
    try:
        members = json.loads(b"".join(block for _, block in _blocks(path)).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: begins with a bracket and is no JSON list ({str(error).splitlines()[0]}); "
            "write one object a line"
        ) from None
    return list(members)
