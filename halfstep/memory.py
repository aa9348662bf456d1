"""How much more memory this process may allocate, by all limits that apply to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from halfstep.errors import InputError

VARIABLE = "HALFSTEP_MEMORY_GB"
_ROOT = Path("/")
# Control groups, versions 2 and 1: where they are mounted, the files with the limit and with the use,
# and the fields of memory.stat for the cached part of the use.
_GROUPS = (
    ("sys/fs/cgroup", "memory.max", "memory.current", ("inactive_file", "active_file")),
    (
        "sys/fs/cgroup/memory",
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        ("total_inactive_file", "total_active_file"),
    ),
)


def available() -> int | None:
    """Return how many bytes can be allocated before the system swaps, refuses or kills; None if unknown.

    This is the smallest of the machine's free memory, what the control groups (containers) have left,
    and the limit on the address space. The environment variable HALFSTEP_MEMORY_GB overrules them.

    Raises
    ------
    InputError
        The variable is not a positive number.
    """
    override = overruled()
    if override:
        return _overruled(override)
    limits = [*_machine(_ROOT), *_groups(_ROOT), *_address_space()]
    return max(0, min(limits)) if limits else None


def overruled() -> str:
    """Return what the environment variable says, or ""."""
    return os.environ.get(VARIABLE, "")


def gigabytes(size: float) -> str:
    """Return a number of bytes as text, in GB of 10^9 bytes or MB of 10^6 bytes."""
    return f"{size / 1e9:.1f} GB" if size >= 5e7 else f"{size / 1e6:.3g} MB"


def _overruled(override: str) -> int:
    try:
        size = float(override) * 1e9
        if 0 < size < float("inf"):
            return int(size)
    except ValueError:
        pass
    raise InputError(f"{VARIABLE} must be a positive number of gigabytes, got {override!r}")


def _machine(root: Path) -> Iterator[int]:
    for line in _read(root / "proc/meminfo").splitlines():
        name, _, rest = line.partition(":")
        if name == "MemAvailable":
            yield int(rest.split()[0]) * 1024
            return
    try:
        import psutil
    except ImportError:
        try:
            yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (AttributeError, ValueError, OSError):  # Windows
            return
    else:
        yield psutil.virtual_memory().available


def _groups(root: Path) -> Iterator[int]:
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        version = 0 if controllers == "" else 1
        if version and "memory" not in controllers.split(","):
            continue
        mount, limit, use, cached = _GROUPS[version]
        group = Path(path.lstrip("/"))
        # The limits of all groups above apply as well. Inside a container some of these are missing.
        for folder in (group, *group.parents):
            at = root / mount / folder
            allowed, used = _read(at / limit).strip(), _read(at / use).strip()
            if allowed.isdecimal() and used.isdecimal():
                statistics = dict(
                    row.split()
                    for row in _read(at / "memory.stat").splitlines()
                    if row.count(" ") == 1
                )
                yield int(allowed) - int(used) + sum(int(statistics.get(k, 0)) for k in cached)


def _address_space() -> Iterator[int]:
    try:
        import resource
    except ImportError:  # Windows
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    pages = _read(Path("/proc/self/statm")).split()
    if limit != resource.RLIM_INFINITY and pages:
        yield limit - int(pages[0]) * resource.getpagesize()


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""
