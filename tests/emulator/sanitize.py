"""Run a Python program with kernels compiled for a sanitizer, and read what the sanitizer said.

Python itself is not instrumented, so the sanitizer's library is loaded before everything else, in a
process of its own.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from emulator import build

_LIBRARIES = {"address": ("libasan.so", "libubsan.so"), "thread": ("libtsan.so",)}
_OPTIONS = {
    # Python never frees everything at its end; a failed allocation is the program's business.
    "address": {
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:exitcode=66",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=0",
    },
    # What runs outside kernels is not compiled for the sanitizer: it must not be watched. The first race
    # ends the program: to describe one takes the sanitizer seconds.
    "thread": {
        "TSAN_OPTIONS": "ignore_noninstrumented_modules=1:exitcode=66:report_thread_leaks=0"
        ":halt_on_error=1"
    },
}


@dataclass(frozen=True)
class Report:
    """One complaint of a sanitizer: its kind, and file:line in the kernels' source (or "")."""

    kind: str
    where: str


@dataclass(frozen=True)
class Sanitized:
    """How a program ended under a sanitizer."""

    returncode: int
    output: str
    reports: tuple[Report, ...]


def why_not(sanitizer: str) -> str | None:
    """Return why a sanitizer cannot be used here, or None."""
    reason = build.why_not()
    if reason:
        return reason
    if platform.system() != "Linux":
        return "the sanitizers' libraries are preloaded as Linux does it"
    missing = [name for name in _LIBRARIES[sanitizer] if not _library(name)]
    return f"g++ comes without {', '.join(missing)}" if missing else None


def run(sanitizer: str, arguments: Sequence[str], timeout: float = 300, **env: str) -> Sanitized:
    """Run `python` with `arguments`; `env` is added to its environment."""
    libraries = [str(_library(name)) for name in _LIBRARIES[sanitizer]]
    environment = {
        **os.environ,
        **_OPTIONS[sanitizer],
        "LD_PRELOAD": ":".join(libraries),
        "HALFSTEP_EMULATOR_SANITIZER": sanitizer,
        "OPENBLAS_NUM_THREADS": "1",  # the sanitizer sees threads that it cannot follow
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        "PYTHONDONTWRITEBYTECODE": "1",
        **env,
    }
    command = [sys.executable, *arguments]
    # The thread sanitizer of older compilers needs its memory at fixed addresses.
    if sanitizer == "thread" and (setarch := shutil.which("setarch")):
        command = [setarch, platform.machine(), "--addr-no-randomize", *command]
    with tempfile.TemporaryDirectory() as folder:
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
            if name in environment:
                environment[name] += f":log_path={folder}/{name}"
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=timeout, check=False
        )
        said = "".join(p.read_text(errors="replace") for p in sorted(Path(folder).iterdir()))
    text = _named_lines(said + done.stderr)
    return Sanitized(done.returncode, done.stdout + text, reports(text))


_HEAD = re.compile(
    r"(?:ERROR|WARNING): (?:Address|Thread)Sanitizer: ([\w -]+?)(?= on | \(|$)|runtime error: (.+)",
    re.MULTILINE,
)
_KERNEL_LINE = re.compile(r"([\w.-]+\.cuh?):(\d+)")


def reports(text: str) -> tuple[Report, ...]:
    """Return what a sanitizer wrote, each with the first line of a kernel's source in it."""
    heads = list(_HEAD.finditer(text))
    found = []
    for i, head in enumerate(heads):
        end = heads[i + 1].start() if i + 1 < len(heads) else len(text)
        # The undefined behaviour sanitizer names the place before the words.
        start = text.rfind("\n", 0, head.start()) + 1
        place = _KERNEL_LINE.search(text, start, end)
        where = f"{place[1]}:{place[2]}" if place else ""
        found.append(Report((head[1] or head[2]).strip(), where))
    return tuple(found)


_UNNAMED = re.compile(r"<null> <null> \((kernels-\w+\.so)\+(0x[0-9a-f]+)\)")


def _named_lines(text: str) -> str:
    """Name the lines of libraries that were loaded after the sanitizer had looked for them."""

    addresses: dict[str, dict[str, str]] = {}  # by library: a report may name one a thousand times
    for library, address in _UNNAMED.findall(text):
        addresses.setdefault(library, {})[address] = ""
    if not addresses or not shutil.which("addr2line"):
        return text
    for library, named in addresses.items():
        command = ["addr2line", "-e", str(build.cache_folder() / library), *named]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        addresses[library] = dict(zip(named, done.stdout.splitlines(), strict=False))
    return _UNNAMED.sub(lambda frame: addresses[frame[1]].get(frame[2], frame[0]), text)


def _library(name: str) -> Path | None:
    found = subprocess.run(
        [build.compiler() or "g++", f"-print-file-name={name}"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    path = Path(found)
    return path.resolve() if path.is_absolute() and path.exists() else None
