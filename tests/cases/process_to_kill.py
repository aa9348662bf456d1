"""Processes to be killed: a job for each line on stdin, in a fork, so that a round costs no start-up."""

import json
import os
import signal
import sys
import traceback

import numpy as np

from cases.solvers import awkward
from halfstep import SOLVERS, Solver
from halfstep.solvers.fit import checkpoint

SOLVERS_TO_KILL = ("eigenbasis", "conjugate_gradient", "cholesky")
SETTINGS = {
    "eigenbasis": {"factors": 40, "iterations": 12, "num_threads": 2},
    "conjugate_gradient": {"factors": 20, "iterations": 8, "num_threads": 1},
    "cholesky": {"factors": 8, "iterations": 12, "num_threads": 1},
}


def plays():
    return awkward(143, 161, seed=3, negative=False)


def model(solver, **changes):
    settings = {**SETTINGS[solver], "random_state": 0, "confidence": "linear", **changes}
    return SOLVERS[solver](**settings)


def fit(job):
    """Fit with a checkpoint after each iteration, and write the factors and where it was stopped."""
    _die_at(job.get("die_at"))
    if job.get("interruptible"):
        signal.signal(signal.SIGINT, signal.default_int_handler)
    fitted = model(job["solver"]).fit(
        plays(), show_progress=False, checkpoint=job["state"], resume=True, on_interrupt="keep"
    )
    stopped = -1 if fitted.interrupted_ is None else fitted.interrupted_
    np.savez(job["result"], X=fitted.user_factors, Y=fitted.item_factors, stopped=stopped)


def save(job):
    """Save one of two models over and over again at the same path."""
    models = [Solver.load(path) for path in job["models"]]
    for turn in range(10_000):
        models[turn % 2].save(job["path"])


def _die_at(point):
    """Kill this process at a point of the writing of a checkpoint: (what, how many came before)."""
    if point is None:
        return
    what, left = point
    module, name = (checkpoint, "_bytes_of") if what == "half written" else (os, what.split()[1])
    whole = getattr(module, name)

    def call(*arguments):
        nonlocal left
        if what.startswith("after"):
            value = whole(*arguments)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return value if what.startswith("after") else whole(*arguments)

    setattr(module, name, call)


def main():
    for solver in SOLVERS_TO_KILL:  # compiled before the first fork, and without threads
        model(solver, iterations=1, num_threads=1).fit(plays(), show_progress=False)
    print("ready", flush=True)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for line in sys.stdin:
        job = json.loads(line)
        process = os.fork()
        if process == 0:
            try:
                {"fit": fit, "save": save}[job["do"]](job)
            except KeyboardInterrupt:
                os._exit(130)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        print(process, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
