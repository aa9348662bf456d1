"""Where compiled code is kept on disk, so that the next process does not compile it again.

Code is looked for in all folders below, in their order, and written to the first that takes it:

1. the folder that NUMBA_CACHE_DIR names, in its sub-folder `halfstep`;
2. `__pycache__` beside the source file, as Python keeps its own bytecode;
3. the user's cache folder;
4. a folder of this user's own below the folder for temporary files.

A folder that cannot be written is still read. So a container whose image was built with
`halfstep warmup` finds its code on a read-only file system too, and as another user.

What is read is executed. So the last folder, whose parent everybody may write to, counts only if it is a
real folder, belongs to this user, and nobody else may enter it.
"""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SUFFIX = ".compiled"
_NAME = "halfstep"


@dataclass(frozen=True)
class Folder:
    """A folder that may hold compiled code.

    Attributes
    ----------
    path
        Where it is; it need not exist.
    kind
        "NUMBA_CACHE_DIR", "beside the source", "the user's" or "temporary".
    """

    path: Path
    kind: str

    @property
    def lasting(self) -> bool:
        """Whether what is kept here outlives a restart."""
        return self.kind != "temporary"

    def refused(self) -> str | None:
        """Create the folder and return None, or return why nothing can be written to it."""
        try:
            if self.lasting:
                self.path.mkdir(parents=True, exist_ok=True)
            else:
                self.path.mkdir(mode=0o700, exist_ok=True)
                if not is_private(self.path):
                    return "it is not this user's alone"
            tempfile.TemporaryFile(dir=self.path).close()
        except OSError as error:
            return error.strerror or str(error)
        return None

    def readable(self) -> bool:
        """Return whether code in this folder may be executed."""
        return self.lasting or is_private(self.path)

    def files(self) -> list[Path]:
        """Return the files of compiled code in this folder."""
        try:
            return sorted(self.path.glob("*" + SUFFIX)) if self.readable() else []
        except OSError:
            return []


def folders(source: str, named: str = "") -> Iterator[Folder]:
    """Yield the folders for the functions of a source file, in the order of preference.

    Parameters
    ----------
    source
        The file's path; it need not exist.
    named
        The value of NUMBA_CACHE_DIR.
    """
    if named:
        yield Folder(Path(named) / _NAME, "NUMBA_CACHE_DIR")
    beside = Path(source).parent
    if beside.is_dir():  # not so inside a zip file
        yield Folder(beside / "__pycache__", "beside the source")
    own = _users_folder()
    if own is not None:
        yield Folder(own / _NAME / "compiled", "the user's")
    user = getattr(os, "getuid", lambda: "user")()
    yield Folder(Path(tempfile.gettempdir()) / f"{_NAME}-{user}", "temporary")


def is_private(path: Path) -> bool:
    """Return whether `path` is a folder, no link, that only this user can enter."""
    try:
        found = os.lstat(path)
    except OSError:
        return False
    if not stat.S_ISDIR(found.st_mode):
        return False
    user = getattr(os, "getuid", None)
    # Windows has no owners as numbers; its folder for temporary files is each user's own.
    return user is None or (found.st_uid == user() and not found.st_mode & 0o077)


def _users_folder() -> Path | None:
    """Return the user's cache folder by the system's convention, or None where no home is known."""
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return Path(local) if local else None
    named = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(named):
        return Path(named)
    try:
        home = Path.home()
    except RuntimeError:
        return None
    if not home.is_absolute() or home == Path(home.root):
        return None  # a user without a home, as containers have them
    return home / ("Library/Caches" if sys.platform == "darwin" else ".cache")
