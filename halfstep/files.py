"""Write files whole or not at all, check paths before work begins, and write strict JSON."""

from __future__ import annotations

import glob
import json
import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from os import PathLike
from pathlib import Path
from typing import IO, Any

import numpy as np

from halfstep.errors import InputError


@contextmanager
def whole_file(path: str | PathLike[str]) -> Iterator[IO[bytes]]:
    """Yield a file to write; it gets the name `path` when the block ends without an error.

    A full disk, an error or an interruption leaves an older file at `path` unchanged. So does a crash of
    the machine: the bytes reach the disk before the new name does, and both before this returns.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    target = Path(path)
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, target)
        _sync_folder(target.parent)
    except OSError as error:
        raise InputError(f"'{target}' cannot be written: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)


def remove_leftovers(path: str | PathLike[str]) -> None:
    """Remove the partial files beside `path` of processes that were killed inside `whole_file`."""
    target = Path(path)
    for partial in target.parent.glob(f".{glob.escape(target.name)}.*.part"):
        process = partial.name.removesuffix(".part").rpartition(".")[2]
        if process.isdecimal() and not _runs(int(process)):
            partial.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def _sync_folder(folder: Path) -> None:
    """Let a renaming survive a crash, where folders can be synchronised (not on Windows)."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)


def npz_path(path: str | PathLike[str]) -> Path:
    """Return `path` with the ending `.npz`, which is added if it is missing."""
    target = Path(path)
    if target.suffix == ".npz" or target.is_dir():
        return target
    return target.with_name(f"{target.name}.npz")


def check_writable(path: Path | None, argument: str, *others: str | Path | None) -> None:
    """Raise InputError if a file cannot be written at `path`, before the work whose result it gets.

    `others` are the files that the same command reads or writes, which `path` must not replace.
    """
    if path is None:
        return
    for other in others:
        if other is not None and "\0" not in str(other) and path.resolve() == Path(other).resolve():
            raise InputError(f"{argument} must be a file of its own, got '{path}' again")
    if path.is_dir():
        raise InputError(f"{argument} must be a file, got the folder '{path}'")
    if not path.parent.is_dir():
        raise InputError(f"{argument}: the folder '{path.parent}' does not exist")
    # Whether it can be written to is tried: what the rights say does not hold on every file system.
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError:
        raise InputError(f"{argument}: the folder '{path.parent}' cannot be written to") from None


def make_folder(path: Path, argument: str) -> None:
    """Create the folder `path` if there is none, or raise InputError."""
    if path.exists() and not path.is_dir():
        raise InputError(f"{argument} must be a folder, got the file '{path}'")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{argument}: '{path}' cannot be made: {error.strerror}") from error


def write_json(path: str | PathLike[str], result: Any) -> None:
    """Write dataclasses, mappings, sequences and numbers as strict JSON; see `plain`."""
    text = json.dumps(plain(result), indent=1, allow_nan=False) + "\n"
    with whole_file(path) as file:
        file.write(text.encode())


def plain(value: Any) -> Any:
    """Return `value` in types that JSON has; NaN and infinities become None."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)
