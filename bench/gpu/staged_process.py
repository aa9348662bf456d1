"""The processes of a staged run: each part in a process group of its own, with a time limit of its own.

A part that fails, hangs or is killed costs its own seconds and nothing else. What it found by then is on
the disk: every record is a line of `results.jsonl`, written and synchronised at once.
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
    """

    out: Path
    data: Path
    emulate: bool

    def record(self, part: str, **found: Any) -> None:
        """Append what a part found to `results.jsonl`, and print the beginning of the line."""
        value = {"part": part, "at": round(time.time(), 1), **plain(found)}
        line = json.dumps(value, allow_nan=False)
        self.out.mkdir(parents=True, exist_ok=True)
        with (self.out / "results.jsonl").open("a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
        print(line[:_SHOWN], flush=True)

    def append(self, name: str, text: str) -> None:
        """Append to another file of the results."""
        self.out.mkdir(parents=True, exist_ok=True)
        with (self.out / name).open("a", encoding="utf-8") as file:
            file.write(text)

    def command(self, *part: object) -> list[str]:
        """Return the command line that runs one part."""
        switch = ["--emulate"] if self.emulate else []
        folders = ["--out", str(self.out), "--data", str(self.data)]
        module = [sys.executable, "-m", "halfstep.bench.gpu.staged"]
        return [*module, *switch, *folders, "one", *map(str, part)]


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
        name, reason = " ".join(map(str, part)), self.for_card.get(str(part[0]))
        if self.place.emulate and reason is not None:
            self.place.record("left_out", name=name, reason=reason)
            return None
        if min(limit * self.patience, self.left()) < _LEAST:
            self.place.record("left_out", name=name, reason="out of time")
            return None
        return self.wait(limit, name, self.start(*part))

    def start(self, *part: object) -> _Process | None:
        """Start a part beside the others; None where it cannot be started."""
        return self.spawn(self.place.command(*part))

    def spawn(self, command: Sequence[str]) -> _Process | None:
        """Start any command in a process group of its own, its output appended to `log.txt`."""
        self.place.append("log.txt", f"\n===== {' '.join(command)} =====\n")
        try:
            with (self.place.out / "log.txt").open("ab") as log:
                process = subprocess.Popen(
                    command, cwd=ROOT, env=environment(), stdout=log, stderr=subprocess.STDOUT,
                    start_new_session=True,
                )  # fmt: skip
        except OSError as error:
            self.place.record("not_started", command=command, reason=str(error))
            return None
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
            kill_group(process)
        if code != 0:
            self.failed.append(name)
        seconds = round(time.monotonic() - began, 1)
        self.place.record("ended", name=name, code=code, timed_out=code is None, seconds=seconds)
        return code

    def end(self) -> None:
        """Kill the processes that are still running, and record how the stage ended."""
        for process in self._started:
            if process.poll() is None:
                kill_group(process)
        seconds = round(time.monotonic() - self._began, 1)
        self.place.record("done", seconds=seconds, failed=self.failed)


def kill_group(process: _Process) -> None:
    """Kill a process with everything that it started, and wait for it."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
