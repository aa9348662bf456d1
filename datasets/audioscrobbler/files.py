"""Find and open the dump's three files: in a folder, plain or packed one by one, or in one archive."""

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
    """One of the three files, open for reading; `path` names it in messages."""

    role: Role
    path: Path
    file: IO[bytes]


def is_archive(path: Path) -> bool:
    """Return whether the file's name ends like a tar archive's."""
    return path.name.casefold().endswith(ARCHIVE_ENDINGS)


def find_dump(path: Path) -> list[Path]:
    """Return the files to open: one archive, or the plays file, and the names and aliases beside it.

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
    raise InputError(f"{path}: an audioscrobbler folder must have a file *user_artist_data*.txt")


def open_parts(files: list[Path], advance: Advance = lambda count: None) -> Iterator[Part]:
    """Yield each file once; it is closed when the next one is requested.

    `advance` is called with each number of bytes read from disk.
    """
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
    """Read an archive once, from front to back, because going back would unpack it again."""
    seen: set[Role] = set()
    try:
        with tarfile.open(fileobj=file, mode="r|*", bufsize=1 << 20) as archive:
            for member in archive:
                name = Path(member.name)
                role = _role(name.name)
                content = archive.extractfile(member) if role is not None else None
                if role is None or content is None or name.name.startswith("."):
                    continue
                if role in seen:
                    raise InputError(f"{path}: holds two files of {role}, the second is {name}")
                seen.add(role)
                packed = name.suffix == ".gz"
                inside = gzip.GzipFile(fileobj=content) if packed else content
                yield Part(role, path / name.name, cast("IO[bytes]", inside))
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"{path}: cannot be read: {reason}") from error
    if "plays" not in seen:
        raise InputError(f"{path}: the archive has no file *user_artist_data*.txt")


def _role(name: str) -> Role | None:
    match = _NAME.fullmatch(name)
    if match is None or not name.removesuffix(".gz").endswith(".txt"):
        return None
    return _ROLES[match["part"]]


def _siblings(plays: Path) -> list[Path]:
    """Return the names and aliases files of `plays`; a folder may hold the full dump and a small one."""
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
    """A binary file that reports how many bytes each read returned."""

    def __init__(self, file: IO[bytes], advance: Advance) -> None:
        self._file, self._advance = file, advance

    def read(self, size: int = -1) -> bytes:
        chunk = self._file.read(size)
        self._advance(len(chunk))
        return chunk

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)
