"""Results as files: strict JSON, and any file written in whole or not at all."""

from __future__ import annotations

import glob
import json
import math
import os
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
    """Yield a file to write that takes `path`'s name when the block ends, and only if it ends well.

    A full disk, an error or an interruption leaves what was at `path` as it was, and so does a crash
    of the machine: the bytes are on the disk before the name is, and the name before this returns.

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
    """Remove what processes that were killed in `whole_file` have left beside `path`."""
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
    """Make a renaming last; where folders cannot be synchronised (Windows, some network drives), not."""
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
    """Return `path` with the ending `.npz`, which is added where it is missing."""
    given = Path(path)
    return (
        given if given.suffix == ".npz" or given.is_dir() else given.with_name(f"{given.name}.npz")
    )


def check_writable(path: Path | None, argument: str, *others: str | Path | None) -> None:
    """Raise InputError where a file can not be made at `path`, before the work that it is for.

    `others` are what the same command reads or writes, and `path` would replace.
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
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"{argument}: the folder '{path.parent}' cannot be written to")


def make_folder(path: Path, argument: str) -> None:
    """Make the folder `path` where there is none, or raise InputError."""
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
    """Return `value` as what JSON can hold; NaN and infinities become None."""
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
