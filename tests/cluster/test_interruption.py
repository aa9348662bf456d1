"""Ctrl-C while a cluster of this machine begins: no traceback but KeyboardInterrupt, no process left."""

import os
import subprocess
import sys
import time

import pytest
from cases.cluster.workers import ROOT

psutil = pytest.importorskip("psutil", reason="psutil tells which processes run")

PROGRAM = """
import os, signal, threading, time
from halfstep.distributed.fitting.clusters import connected
if __name__ == "__main__":
    import distributed
    threading.Timer({delay}, os.killpg, (os.getpgrp(), signal.SIGINT)).start()
    with connected(workers=2):
        time.sleep(20)
"""


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="there are no process groups")
@pytest.mark.parametrize("delay", [0.3, pytest.param(1.5, marks=pytest.mark.soak)])
def test_ctrl_c_while_workers_begin(tmp_path, delay):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(delay=delay))
    done = subprocess.Popen(
        [sys.executable, str(program)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    _, errors = done.communicate(timeout=60)
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert errors.count("Traceback") == 1
    end = time.perf_counter() + 20
    while left := of_group(done.pid):
        assert time.perf_counter() < end, left
        time.sleep(0.1)


def of_group(group):
    """Return the processes of a group that run."""
    found = []
    for one in psutil.process_iter(["pid", "name", "status"]):
        try:
            if os.getpgid(one.pid) == group and one.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(one.info)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found
