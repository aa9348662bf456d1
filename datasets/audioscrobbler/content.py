"""The dump's three files in memory: plays as columns, aliases as a dict, names as undecoded bytes."""

from __future__ import annotations

import io
import tarfile
import zlib
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfstep.datasets.audioscrobbler.files import Advance, Part, is_archive, open_parts
from halfstep.datasets.text.bad_lines import BadLine, MalformedLines
from halfstep.datasets.text.blocks import cut, read_all
from halfstep.datasets.text.integers import read_integers
from halfstep.datasets.text.line import Kind
from halfstep.datasets.text.names import read_names
from halfstep.errors import InputError


@dataclass
class DumpContent:
    """The contents of the three files; names stay bytes until it is known which ids need one."""

    name: str
    listing: list[BadLine] | None
    plays: list[NDArray[Any]] = field(default_factory=list)
    rows: int = 0
    table: dict[int, int] | None = None
    malformed: dict[str, dict[str, int]] = field(default_factory=dict)
    used: list[str] = field(default_factory=list)
    _names: tuple[Path, bytes] | None = None

    def take(self, part: Part) -> None:
        """Read one of the three files."""
        self.used.append(part.path.name)
        lines = MalformedLines(part.path, self.listing)
        if part.role == "names":
            self._names = (part.path, _all(part))
        elif part.role == "aliases":
            columns = read_integers(cut(part.file, part.path), ("id", "id"), "\t", lines)
            self.malformed |= lines.report()
            self.table = dict(zip(columns[0].tolist(), columns[1].tolist(), strict=True))
        else:
            blocks = cut(part.file, part.path)
            first = next(blocks, (1, b""))
            separator = "\t" if b"\t" in first[1].partition(b"\n")[0] else " "
            kinds: tuple[Kind, ...] = ("id", "id", "count")
            self.plays = read_integers(chain([first], blocks), kinds, separator, lines)
            self.malformed |= lines.report()
            self.rows = lines.rows

    def names(
        self, ids: NDArray[np.int64], others: NDArray[np.int64]
    ) -> tuple[NDArray[Any] | None, list[str]]:
        """Return the names of `ids` (None without a names file) and the names of `others`."""
        if self._names is None:
            return None, [""] * len(others)
        path, content = self._names
        wanted = np.union1d(ids, others)
        lines = MalformedLines(path, self.listing)
        names = read_names(cut(io.BytesIO(content), path), wanted, lines)
        self.malformed |= lines.report()
        return (
            names[np.searchsorted(wanted, ids)],
            names[np.searchsorted(wanted, others)].tolist(),
        )


def read_dump(
    paths: list[Path], with_aliases: bool, listing: list[BadLine] | None, advance: Advance
) -> DumpContent:
    """Read the files that `halfstep.datasets.audioscrobbler.files.find_dump` returned."""
    folder = paths[0].resolve().parent.name
    files = DumpContent(
        paths[0].name.partition(".tar")[0] if is_archive(paths[0]) else folder, listing
    )
    for part in open_parts(paths, advance):
        if part.role != "aliases" or with_aliases:
            files.take(part)
    return files


def _all(part: Part) -> bytes:
    try:
        return read_all(part.file, part.path)
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise InputError(f"{part.path}: cannot be read: {str(error).splitlines()[0]}") from error
