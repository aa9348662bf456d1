"""Compiled code on disk: a file for each function and each set of argument types.

Numba's own cache has one index per function, and three gaps: where no folder can be written no function
can be called at all; two processes that compile at once can leave an index that names the other's code;
and code stays in use after a change of the files that were compiled into it. Here

* a file's name is a digest of all that its code depends on: the function, the types of its arguments,
  the processor, the versions, and the sources. So there is no index, and no file is ever changed;
* a file begins with a digest of its content. One that is damaged counts as missing and is replaced;
* what goes wrong while code is read or written costs time, never the call.

`folders` says where the files are.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import logging
import os
import pickle
import sys
import threading
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite  # type: ignore[import-untyped]
import numba
from numba.core import compiler, serialize
from numba.core import config as numba_config

from halfstep.kernels.compiled.folders import SUFFIX, Folder, folders

log = logging.getLogger("halfstep")

# Numba's own type hints are incomplete.
config: Any = numba_config
dumps: Any = serialize.dumps
_rebuild: Any = compiler.CompileResult._rebuild

_HEAD = b"halfstep compiled code 1\n"
_LOOPS = Path(__file__).parent.parent / "cpu"
_warned = threading.Event()
_saved = 0


def code_folders() -> list[Folder]:
    """Return the folders for the code of `kernels.cpu`, in the order of preference."""
    return list(folders(str(_LOOPS / "compile.py"), config.CACHE_DIR))


def compilations() -> int:
    """Return how many functions this process has compiled and tried to keep."""
    return _saved


class CompiledFiles:
    """The files of one function; in the place of a Numba dispatcher's cache.

    Parameters
    ----------
    function
        The Python function.
    seconds
        About how long it takes to compile.
    """

    def __init__(self, function: Any, seconds: int = 1) -> None:
        self.seconds = seconds
        self._source = inspect.getfile(function)
        self._name = f"{Path(self._source).stem}.{function.__qualname__}"

    @property
    def cache_path(self) -> str:
        """The folder that is asked first."""
        return str(self.folders()[0].path)

    def folders(self) -> list[Folder]:
        """Return the folders that may hold this function's code."""
        return list(folders(self._source, config.CACHE_DIR))

    def has(self, signature: Any, target: Any) -> bool:
        """Return whether the code for these argument types is on disk, undamaged."""
        return self._read(self._key(signature, target)) is not None

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        """Return the compiled function for these argument types, or None."""
        target_context.refresh()
        content = self._read(self._key(signature, target_context))
        if content is None:
            return None
        try:
            return _rebuild(target_context, *pickle.loads(content))
        except Exception as error:  # whatever a pickle of other versions' classes may raise
            log.debug("compiled code of %s cannot be used: %s", self._name, error)
            return None

    def save_overload(self, signature: Any, data: Any) -> None:
        """Write the compiled function; where that is impossible, warn once in this process."""
        if data.library.has_dynamic_globals:
            return
        global _saved
        _saved += 1
        content = dumps(data._reduce())
        name = self._file(self._key(signature, data.target_context))
        refused: list[str] = []
        for folder in self.folders():
            reason = folder.refused() or _written(folder.path / name, content)
            if reason is None:
                if not folder.lasting:
                    _warn(f"compiled code is kept in {folder.path} only", refused)
                elif folder.kind == "beside the source":
                    _remove_outdated(folder.path, name)
                return
            refused.append(f"{folder.path}: {reason}")
        _warn("compiled code cannot be kept, so every process compiles anew", refused)

    def flush(self) -> None:
        """Remove this function's code from the folders that can be written."""
        for folder in self.folders():
            for file in folder.files():
                if file.name.startswith(self._name + "-"):
                    with contextlib.suppress(OSError):
                        file.unlink()

    def enable(self) -> None:
        """Do nothing: the files are always in use."""

    disable = enable

    def _key(self, signature: Any, target: Any) -> bytes:
        versions = numba.__version__, llvmlite.__version__, sys.implementation.cache_tag
        parts = (self._name, str(signature), target.codegen().magic_tuple(), versions)
        return repr((*parts, _sources(self._source))).encode()

    def _file(self, key: bytes) -> str:
        sources, digest = _sources(self._source)[:8], hashlib.sha256(key).hexdigest()[:24]
        return f"{self._name}-{sources}-{digest}{SUFFIX}"

    def _read(self, key: bytes) -> bytes | None:
        name = self._file(key)
        for folder in self.folders():
            try:
                whole = (folder.path / name).read_bytes() if folder.readable() else b""
            except OSError:
                continue
            body = whole[len(_HEAD) + 32 :]
            if whole == _HEAD + hashlib.sha256(body).digest() + body:
                return body
        return None


@cache
def _sources(source: str) -> str:
    """Return a digest of a function's source file and of `kernels.cpu`, which it may call."""
    digest = hashlib.sha256()
    for path in [*sorted(_LOOPS.glob("*.py")), Path(source)]:
        with contextlib.suppress(OSError):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def _written(path: Path, content: bytes) -> str | None:
    """Write a file in one step, so that no process reads half of it; return None or why not."""
    spare = None
    try:
        spare = f"{path}.{os.getpid()}-{threading.get_ident()}.part"
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
        handle = os.open(spare, flags, 0o666)
        with os.fdopen(handle, "wb") as file:
            file.write(_HEAD + hashlib.sha256(content).digest() + content)
        os.replace(spare, path)
    except OSError as error:
        if spare is not None:
            with contextlib.suppress(OSError):
                os.unlink(spare)
        # On Windows a file cannot be replaced while another process reads it: then it is there.
        return None if path.exists() and os.name == "nt" else error.strerror or str(error)
    return None


def _remove_outdated(folder: Path, name: str) -> None:
    """Remove the function's files that were made from other sources."""
    function, sources, _ = name.rsplit("-", 2)
    for path in folder.glob(f"{function}-*{SUFFIX}"):
        if not path.name.startswith(f"{function}-{sources}-"):
            with contextlib.suppress(OSError):
                path.unlink()


def _warn(what: str, refused: list[str]) -> None:
    if not _warned.is_set():
        _warned.set()
        log.warning(
            "%s (%s): set NUMBA_CACHE_DIR to a folder that can be written", what, "; ".join(refused)
        )
