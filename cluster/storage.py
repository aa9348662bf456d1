"""A folder that the driver and all workers see, at any URL that fsspec knows; files appear whole."""

from __future__ import annotations

import io
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from halfstep.errors import InputError


class Folder:
    """A folder on a disk, in memory or in an object store.

    Parameters
    ----------
    url
        A path, or a URL such as `s3://bucket/fit`.
    storage_options
        What fsspec's file system is made with: credentials, an endpoint.
    """

    def __init__(self, url: str | os.PathLike[str], storage_options: dict[str, Any] | None = None):
        text = os.fspath(url)
        if "://" not in text:
            text = os.path.abspath(os.path.expanduser(text))
        self.url = text.rstrip("/")
        self.storage_options = dict(storage_options or {})

    def __repr__(self) -> str:
        return f"Folder({self.url!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Folder, (self.url, self.storage_options)

    @property
    def local(self) -> bool:
        """Whether it is on a disk of this machine, or one that is mounted."""
        return "://" not in self.url or self.url.startswith("file://")

    def _opened(self) -> tuple[Any, str]:
        import fsspec

        try:
            fs, root = fsspec.core.url_to_fs(self.url, **self.storage_options)
        except (ImportError, ValueError) as error:
            raise InputError(f"folder {self.url!r} cannot be opened: {error}") from None
        return fs, root.rstrip("/")

    def options_for(self, url: Any) -> dict[str, Any]:
        """Return the storage options if they are those of a URL's kind, too, else none."""
        kinds = [str(one).partition("://")[:2] for one in (url, self.url)]
        return self.storage_options if kinds[0][1] and kinds[0] == kinds[1] else {}

    def same_as(self, other: Folder) -> bool:
        """Return whether another folder is this one, by another spelling or a link."""
        if self.local and other.local:
            paths = (os.path.realpath(one.url.removeprefix("file://")) for one in (self, other))
            return next(paths) == next(paths)
        return self.url == other.url

    def path(self, name: str) -> str:
        """Return the URL of a file."""
        return f"{self.url}/{name}"

    def child(self, name: str) -> Folder:
        """Return a folder in this one; it is made when a file is written."""
        return Folder(self.path(name), self.storage_options)

    @contextmanager
    def writing(self, name: str, lasting: bool = True) -> Iterator[IO[bytes]]:
        """Yield a file to write, which gets its name when the block ends without an error.

        On a disk it has another name until then, and if it is `lasting`, reaches the disk before it is
        renamed. An object store shows a file when it is closed.

        Raises
        ------
        OSError
            It cannot be written; an older file of the name is unchanged.
        """
        fs, root = self._opened()
        target = f"{root}/{name}"
        fs.makedirs(target.rpartition("/")[0], exist_ok=True)
        if not self.local:
            with _committed(fs, target) as file:
                yield file
            return
        head, _, tail = target.rpartition("/")
        partial = f"{head}/.{tail}.{uuid.uuid4().hex[:8]}.part"
        try:
            with open(partial, "wb") as file:
                yield file
                if lasting:
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(partial, target)
        except OSError as error:
            reason = error.strerror or f"{error} (is the disk full?)"
            raise OSError(error.errno, f"'{target}' cannot be written: {reason}") from error
        finally:
            if os.path.exists(partial):
                os.unlink(partial)

    @contextmanager
    def reading(self, name: str) -> Iterator[IO[bytes]]:
        """Yield a file to read; FileNotFoundError if there is none."""
        fs, root = self._opened()
        with fs.open(f"{root}/{name}", "rb") as file:
            yield file

    def read(self, name: str, first: int, stop: int) -> bytes:
        """Return the bytes from `first` to `stop` - 1 of a file; FileNotFoundError if there is none."""
        fs, root = self._opened()
        found: bytes = fs.cat_file(f"{root}/{name}", start=first, end=stop)
        return found

    def exists(self, name: str) -> bool:
        """Return whether there is a file of the name."""
        fs, root = self._opened()
        fs.invalidate_cache()
        return bool(fs.exists(f"{root}/{name}"))

    def names(self, prefix: str = "") -> list[str]:
        """Return the names, in this folder alone, that begin with `prefix`, in order."""
        fs, root = self._opened()
        fs.invalidate_cache()
        try:
            listed = fs.ls(root, detail=False)
        except FileNotFoundError:
            return []
        tails = (path.rstrip("/").rpartition("/")[2] for path in listed)
        return sorted(tail for tail in tails if tail.startswith(prefix))

    def remove(self, name: str) -> None:
        """Remove a file, or a folder with all that is in it, if it is there."""
        fs, root = self._opened()
        try:
            fs.rm(f"{root}/{name}", recursive=True)
        except FileNotFoundError:
            pass


@contextmanager
def _committed(fs: Any, target: str) -> Iterator[IO[bytes]]:
    """Yield a file of an object store that appears if the block ends without an error."""
    if fs.protocol == "memory" or "memory" in fs.protocol:  # shows files as soon as they are opened
        buffer = io.BytesIO()
        yield buffer
        fs.pipe_file(target, buffer.getvalue())
        return
    file = fs.open(target, "wb")
    try:
        yield file
    except BaseException:
        file.discard()
        file.closed = True  # to close it would commit it
        raise
    file.close()
