"""What must hold on all workers before a fit: the same versions, and the same folder."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

from halfstep.distributed.storage import Folder
from halfstep.distributed.workers import workers_of
from halfstep.errors import InputError

_NEWS = 2.0  # seconds in which the news of a loss may follow the error that it causes


def asking() -> Callable[[], dict[str, str]]:
    """Return a function that returns the versions of its process, and the length of its vectors.

    It is made here, so that it is sent as its code: a worker that lacks halfstep has no name to look up.
    """

    def here() -> dict[str, str]:
        import sys
        from importlib.metadata import PackageNotFoundError, version

        found = {"python": ".".join(map(str, sys.version_info[:2])), "byte order": sys.byteorder}
        try:
            from halfstep.kernels.cpu.vectors import lanes
            from halfstep.version import __version__

            found["halfstep"] = __version__
            found["vector length"] = f"{lanes(4)} numbers of float32"
        except ImportError:
            found["halfstep"] = "not installed"
        for name in ("numba", "numpy", "scipy", "distributed"):
            try:
                found[name] = version(name)
            except PackageNotFoundError:
                found[name] = "not installed"
        return found

    return here


def answers_of(client: Any, function: Callable[..., Any], *args: Any) -> dict[str, Any]:
    """Return what a function returns, or raises, on each worker that is not lost meanwhile."""
    from distributed.comm import CommClosedError

    found: dict[str, Any] = client.run(function, *args, on_error="return")
    end = time.perf_counter() + _NEWS
    while True:
        broken = [a for a, answer in found.items() if isinstance(answer, CommClosedError)]
        known = workers_of(client) if broken else {}
        if all(address not in known for address in broken) or time.perf_counter() > end:
            return {a: answer for a, answer in found.items() if a not in broken or a in known}
        time.sleep(0.05)


def check_workers(client: Any, seconds: float = 0.0) -> None:
    """Raise InputError, which names worker and remedy, unless all have this process's versions.

    Where there are no workers, some may come within so many seconds.
    """
    own = asking()()
    end = time.perf_counter() + seconds
    while not (found := answers_of(client, asking())) and time.perf_counter() < end:
        time.sleep(0.05)
    if not found:
        raise InputError("the cluster has no workers: start some, or wait until they have come")
    for address, versions in sorted(found.items()):
        if isinstance(versions, BaseException):
            raise InputError(f"worker {address} cannot be asked for its versions: {versions}")
        for name, wanted in own.items():
            there = versions.get(name, "unknown")
            if there == wanted:
                continue
            if there == "not installed":
                raise InputError(
                    f"worker {address} lacks {name}: install halfstep {own['halfstep']} there, "
                    "with the extra dask, and start it anew"
                )
            remedy = (
                "use machines with one kind of processor"
                if name == "vector length"
                else "install the same there and start it anew"
            )
            raise InputError(
                f"{name} must be the same on all workers: {wanted} here, {there} on {address}: {remedy}"
            )


def check_folder(client: Any, folder: Folder) -> None:
    """Raise InputError, which names the worker, unless all see what is written to the folder here."""
    name, text = f"seen-{uuid.uuid4().hex[:12]}", uuid.uuid4().hex
    try:
        with folder.writing(name) as file:
            file.write(text.encode())
    except OSError as error:
        raise InputError(f"folder '{folder.url}' cannot be written to: {error}") from None
    try:
        found = answers_of(client, reads, folder, name)
    finally:
        folder.remove(name)
    for address, seen in sorted(found.items()):
        if seen == text:
            continue
        reason = (
            str(seen) if isinstance(seen, BaseException) else "it sees another folder of the name"
        )
        raise InputError(
            f"folder '{folder.url}' must be one that all workers share; {address} does not see it "
            f"({reason}): give a mounted folder or a URL such as s3://bucket/name"
        )


def reads(folder: Folder, name: str) -> str:
    """Return the text of a file, on a worker, which must be able to write there, too."""
    with folder.reading(name) as file:
        text = file.read().decode()
    own = f"{name}-{uuid.uuid4().hex[:12]}"
    with folder.writing(own) as file:
        file.write(b"")
    folder.remove(own)
    return text
