"""Peak memory of a solver: that of a process which loads the data and fits, one process for each solver.

Each process draws its own start, as a user's script does: a start that is handed over would stay in
memory beside the factors.

Run as `python -m halfstep.bench.method.memory INPUT.npz SOLVER`; prints one JSON object.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

import halfstep
from halfstep.bench.method.contestants import Contestant, contestant

ITERATIONS = 2
_TIMEOUT_SECONDS = 3600


def write_input(path: Path, contestant: Contestant, train: sparse.csr_matrix) -> None:
    """Write the input that the processes of `measure` read, the same for all contestants of a case."""
    arguments = contestant.arguments | {
        "dtype": np.dtype(contestant.arguments["dtype"]).name,
        "als_wr": contestant.als_wr,
    }
    np.savez(
        path,
        arguments=np.array(json.dumps(arguments)),
        shape=np.array(train.shape),
        values=train.data,
        indices=train.indices,
        indptr=train.indptr,
    )


def measure(path: Path, solver: str) -> int | str:
    """Return a contestant's peak memory in bytes, or a sentence that says why it was not measured."""
    environment = dict(os.environ)
    # The new process must find a bare clone of the package where this one found it.
    root = str(Path(halfstep.__file__).resolve().parent.parent)
    paths = [root, environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(p for p in paths if p)
    command = [sys.executable, "-m", "halfstep.bench.method.memory", str(path), solver]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env=environment,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
        if done.returncode == 0:
            return int(json.loads(done.stdout.splitlines()[-1])["peak_bytes"])
    except (OSError, subprocess.TimeoutExpired, ValueError, LookupError) as error:
        return f"memory not measured: {type(error).__name__}"
    last = (done.stderr.strip().splitlines() or ["no message"])[-1]
    return f"memory not measured: exit code {done.returncode}, {last[:120]}"


def peak_bytes() -> int:
    """Return this process's peak resident memory in bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not ru_maxrss: on Linux it includes the size of the process that started this one.
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def fit_and_report(path: str, solver: str) -> dict[str, int]:
    """Load the input, fit, and return the peak memory."""
    with np.load(path, allow_pickle=False) as archive:
        arguments: dict[str, Any] = json.loads(str(archive["arguments"]))
        train = sparse.csr_matrix(
            (archive["values"], archive["indices"], archive["indptr"]),
            shape=tuple(archive["shape"]),
        )
    contestant(solver, arguments).model(ITERATIONS).fit(train, show_progress=False)
    return {"peak_bytes": peak_bytes()}


if __name__ == "__main__":
    print(json.dumps(fit_and_report(sys.argv[1], sys.argv[2])))
