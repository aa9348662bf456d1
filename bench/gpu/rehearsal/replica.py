"""An environment like that of the machine with the card: its packages at its versions, nothing else."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGES = Path(__file__).resolve().parent / "machine-packages.txt"
WANTED = (3, 12)
_MISSING = re.compile(r"No matching distribution found for ([\w.-]+)==")


def python_like() -> tuple[str, tuple[int, int]]:
    """Return an interpreter of the machine's Python version, or the nearest one, and its version."""
    found = {version: path for path in _interpreters() if (version := _version(path)) is not None}
    version = min(found, key=lambda v: (abs(v[0] - WANTED[0]), abs(v[1] - WANTED[1]), v))
    return found[version], version


def prepare(folder: Path) -> list[str]:
    """Make the virtual environment in `folder` unless it is there; return what differs from the machine.

    A version that does not exist for this Python is left to the installer, and said.

    Raises
    ------
    RuntimeError
        The packages cannot be installed; the message ends with what the installer said.
    """
    python, version = python_like()
    wanted = [line for line in PACKAGES.read_text().splitlines() if line and line[0] != "#"]
    key = hashlib.sha256("\n".join([python, str(version), *wanted]).encode()).hexdigest()
    stamp = folder / "ready"
    if stamp.exists() and (said := stamp.read_text().splitlines())[0] == key:
        return said[1:]
    said = []
    if version != WANTED:
        said.append(f"Python {_dotted(version)} instead of {_dotted(WANTED)}, which is not here")
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([python, "-m", "venv", str(folder)], check=True)
    while True:
        done = subprocess.run(
            [str(folder / "bin" / "python"), "-m", "pip", "install", "-q",
             "--disable-pip-version-check", *wanted],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode == 0:
            break
        missing = _MISSING.search(done.stderr)
        names = [line.partition("==")[0] for line in wanted]
        if not missing or missing[1] not in names or "==" not in wanted[names.index(missing[1])]:
            raise RuntimeError(f"cannot install the machine's packages: {done.stderr[-1000:]}")
        place = names.index(missing[1])
        said.append(f"any {missing[1]} instead of {wanted[place]}, which this Python does not have")
        wanted[place] = missing[1]
    stamp.write_text("\n".join([key, *said]) + "\n")
    return said


def _interpreters() -> Iterator[str]:
    """Yield the paths of interpreters that may be here; the last one is this process's own."""
    named = f"python{_dotted(WANTED)}"
    for place in os.environ.get("PATH", "").split(os.pathsep):
        if (path := Path(place) / named).exists():
            yield str(path)
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    yield from (str(path) for path in sorted(versions.glob(f"{_dotted(WANTED)}.*/bin/python")))
    yield sys.executable


def _version(python: str) -> tuple[int, int] | None:
    """Return an interpreter's version, or None where it does not run."""
    code = "import sys, venv, ensurepip; print(*sys.version_info[:2])"
    try:
        done = subprocess.run(
            [python, "-c", code], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    numbers = done.stdout.split()
    return (int(numbers[0]), int(numbers[1])) if done.returncode == 0 and numbers else None


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
