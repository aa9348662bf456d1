"""The dump's three files, wherever they are: in a folder, packed one by one, or in one archive."""

from __future__ import annotations

import gzip
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, cast

from halfstep.datasets.text.blocks import find_one
from halfstep.errors import InputError

Role = Literal["plays", "names", "aliases"]
Advance = Callable[[int], None]
ARCHIVE_ENDINGS = (".tar.gz", ".tgz", ".tar")
_ROLES: dict[str, Role] = {
    "user_artist_data": "plays",
    "artist_data": "names",
    "artist_alias": "aliases",
}
_NAME = re.compile(
    r"(?P<before>.*?)(?P<part>user_artist_data|artist_data|artist_alias)(?P<after>.*)"
)


@dataclass(frozen=True)
class Part:
    """One of the three files, open; `path` is what messages call it."""

    role: Role
    path: Path
    file: IO[bytes]


def is_archive(path: Path) -> bool:
    """Return whether the name is that of a tar archive."""
    return path.name.casefold().endswith(ARCHIVE_ENDINGS)


def find_dump(path: Path) -> list[Path]:
    """Return the files to open: one archive, or the plays file and what lies beside it.

    Raises
    ------
    InputError
        There is no plays file, or more than one.
    """
    if not path.is_dir():
        if not path.is_file():
            raise InputError(f"{path}: no such file or folder")
        return [path] if is_archive(path) else [path, *_siblings(path)]
    plays = find_one(path, "*user_artist_data*.txt")
    if plays is not None:
        return [plays, *_siblings(plays)]
    archives = [
        file for file in sorted(path.iterdir()) if is_archive(file) and file.is_file()
    ]  # as it was downloaded
    if len(archives) == 1:
        return archives
    raise InputError(f"{path}: an audioscrobbler folder has a file *user_artist_data*.txt")


def open_parts(files: list[Path], advance: Advance = lambda count: None) -> Iterator[Part]:
    """Yield each part once, open until the next one is asked for; `advance(bytes)` tells of reading."""
    for path in files:
        with path.open("rb") as raw:
            watched = cast("IO[bytes]", _Watched(raw, advance))
            if is_archive(path):
                yield from _members(path, watched)
                continue
            file = watched
            if path.suffix == ".gz":
                file = cast("IO[bytes]", gzip.GzipFile(fileobj=watched))
            role = _role(path.name)
            yield Part("plays" if role is None or path == files[0] else role, path, file)


def _members(path: Path, file: IO[bytes]) -> Iterator[Part]:
    """Walk an archive once, front to back: going back would unpack it again."""
    found: set[Role] = set()
    try:
        with tarfile.open(fileobj=file, mode="r|*", bufsize=1 << 20) as archive:
            for member in archive:
                name = Path(member.name)
                role = _role(name.name)
                content = archive.extractfile(member) if role is not None else None
                if role is None or content is None or name.name.startswith("."):
                    continue
                if role in found:
                    raise InputError(f"{path}: holds two files of {role}, the second is {name}")
                found.add(role)
                packed = name.suffix == ".gz"
                inside = gzip.GzipFile(fileobj=content) if packed else content
                yield Part(role, path / name.name, cast("IO[bytes]", inside))
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"{path}: cannot be read: {reason}") from error
    if "plays" not in found:
        raise InputError(f"{path}: the archive has no file *user_artist_data*.txt")


def _role(name: str) -> Role | None:
    match = _NAME.fullmatch(name)
    if match is None or not name.removesuffix(".gz").endswith(".txt"):
        return None
    return _ROLES[match["part"]]


def _siblings(plays: Path) -> list[Path]:
    """Return the dump's other files: a folder may hold the full dump and `_small` ones together."""
    match = _NAME.fullmatch(plays.name)
    if match is None:
        return []
    ending = match["after"].removesuffix(".gz")
    found = []
    for part in ("artist_data", "artist_alias"):
        names = (f"{match['before']}{part}{ending}", f"{match['before']}{part}{ending}.gz")
        found += [plays.with_name(n) for n in names if plays.with_name(n).is_file()][:1]
    return found


class _Watched:
    """A binary file that tells how far it was read."""

    def __init__(self, file: IO[bytes], advance: Advance) -> None:
        self._file, self._advance = file, advance

    def read(self, size: int = -1) -> bytes:
        chunk = self._file.read(size)
        self._advance(len(chunk))
        return chunk

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)
