"""The processes of a run on a card: each part in a process group of its own, with its own time limit.

A part that fails, hangs or is killed costs its own seconds and nothing else. What it found by then is on
the disk: every record is a line of `results.jsonl`, written and synchronised at once. A line that was
cut off stays a line of its own, and a full disk loses records, not the run.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from halfstep.bench.gpu.device import ROOT
from halfstep.files import plain

RESULTS = "results.jsonl"
_SHOWN = 400  # characters of a record on the terminal
_LEAST = 5.0  # seconds with which a part is still begun
_Process = subprocess.Popen[bytes]


@dataclass(frozen=True)
class Place:
    """Where a run writes, and what it runs on.

    Attributes
    ----------
    out
        Folder of the results: `results.jsonl`, `log.txt` and what single parts write.
    data
        Folder of the generated matrices, which the next stage finds again.
    emulate
        Whether the tests' emulator stands for the card.
    limit
        Seconds after which this part is killed.
    module
        The module whose command line runs one part.
    """

    out: Path
    data: Path
    emulate: bool
    limit: float = 60.0
    module: str = "halfstep.bench.gpu.run"

    def record(self, part: str, **found: Any) -> None:
        """Append what a part found to `results.jsonl`, and print the beginning of the line."""
        value = {"part": part, "at": round(time.time(), 1), **plain(found)}
        line = json.dumps(value, allow_nan=False)
        self.append(RESULTS, line + "\n")
        print(line[:_SHOWN], flush=True)

    def append(self, name: str, text: str) -> None:
        """Append to a file of the results at once; where that fails, say so on standard error."""
        try:
            self.out.mkdir(parents=True, exist_ok=True)
            file = os.open(self.out / name, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                size = os.fstat(file).st_size
                torn = name == RESULTS and size and os.pread(file, 1, size - 1) != b"\n"
                content = ("\n" * bool(torn) + text).encode()
                if os.write(file, content) != len(content):
                    print(f"{self.out / name}: cut off", file=sys.stderr, flush=True)
                os.fsync(file)
            finally:
                os.close(file)
        except OSError as error:
            print(f"{self.out / name}: {error}", file=sys.stderr, flush=True)

    def command(self, *part: object, limit: float | None = None) -> list[str]:
        """Return the command line that runs one part."""
        switch = ["--emulate"] if self.emulate else []
        folders = ["--out", str(self.out), "--data", str(self.data)]
        seconds = ["--limit", f"{limit or self.limit:.1f}"]
        return [
            sys.executable,
            "-m",
            self.module,
            *switch,
            *folders,
            *seconds,
            "one",
            *map(str, part),
        ]


def environment() -> dict[str, str]:
    """Return this process's environment, in which the repository is found as it was found here."""
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    path = os.pathsep.join(dict.fromkeys(p for p in paths if p))
    return {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": path}


@dataclass
class Stage:
    """A stage that is running.

    Attributes
    ----------
    seconds
        For the whole stage.
    for_card
        Parts that need a card, each with the reason why the emulator will not do.
    patience
        What the parts' limits are multiplied by; the emulator is slower than a card.
    failed
        Names of the parts so far that ended with another exit code than 0, or not in time.
    """

    place: Place
    seconds: float
    for_card: Mapping[str, str] = field(default_factory=dict)
    patience: float = 1.0
    failed: list[str] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)
    _started: list[_Process] = field(default_factory=list)

    def left(self) -> float:
        """Return the seconds that the stage has left."""
        return self.seconds - (time.monotonic() - self._began)

    def run(self, limit: float, *part: object) -> int | None:
        """Run a part for at most `limit` seconds; return its exit code, None where it has none."""
        name, seconds = " ".join(map(str, part)), min(limit * self.patience, self.left())
        if self._for_card(part):
            return None
        if seconds < _LEAST:
            self.place.record("left_out", name=name, reason="out of time")
            return None
        return self.wait(limit, name, self.start(*part, limit=seconds))

    def start(self, *part: object, limit: float | None = None) -> _Process | None:
        """Start a part beside the others; None where it cannot be started."""
        return self.spawn(self.place.command(*part, limit=limit))

    def spawn(self, command: Sequence[str]) -> _Process | None:
        """Start any command in a process group of its own, its output appended to `log.txt`."""
        self.place.append("log.txt", f"\n===== {' '.join(command)} =====\n")
        try:
            log = os.open(self.place.out / "log.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        except OSError:
            log = os.open(os.devnull, os.O_WRONLY)
        try:
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment(), stdout=log, stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            self.place.record("not_started", command=command, reason=str(error))
            return None
        finally:
            os.close(log)
        self._started.append(process)
        return process

    def wait(self, limit: float, name: str, process: _Process | None) -> int | None:
        """Wait for a process for at most `limit` seconds, then kill its group; record how it ended."""
        if process is None:
            self.failed.append(name)
            return None
        began = time.monotonic()
        code: int | None = None
        try:
            code = process.wait(max(0.0, min(limit * self.patience, self.left())))
        except subprocess.TimeoutExpired:
            pass
        kill_group(process)  # with what it left behind, too
        if code != 0:
            self.failed.append(name)
        seconds = round(time.monotonic() - began, 1)
        self.place.record("ended", name=name, code=code, timed_out=code is None, seconds=seconds)
        return code

    def end(self) -> None:
        """Kill the processes that are still running, and record how the stage ended."""
        for process in self._started:
            kill_group(process)
        seconds = round(time.monotonic() - self._began, 1)
        self.place.record("done", seconds=seconds, failed=self.failed)

    def _for_card(self, part: Sequence[object]) -> bool:
        """Whether a part is left out because it needs a card; it is recorded then."""
        reason = self.for_card.get(str(part[0])) if self.place.emulate else None
        if reason is not None:
            self.place.record("left_out", name=" ".join(map(str, part)), reason=reason)
        return reason is not None


def kill_group(process: _Process) -> None:
    """Kill a process with everything that it started in its group, and wait for it."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    process.wait()
