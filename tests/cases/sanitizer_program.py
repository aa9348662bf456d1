"""What the sanitizers watch: kernels of the tests and GPU rungs, run in a process of its own.

python sanitizer_program.py right | wrong KERNEL | rung NAME | mutant CASE.json

A mutant's exit code is 3 where its bug shows in a result, or as an error that the emulator reports.
"""

import json
import os
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from unittest import mock

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

import numpy as np  # noqa: E402
from emulator import ORDERS, EmulatorBackend, EmulatorError  # noqa: E402


class Wrong(Exception):
    """A result that is not the oracle's."""


KERNELS = TESTS / "emulator" / "kernels_for_tests"
LAUNCHES = {  # of wrong.cu: grid, block
    "no_barrier": (1, 64),
    "blocks_race": (3, 32),
    "misaligned": (1, 7),
}


def right():
    backend = EmulatorBackend(order="random", folder=KERNELS)
    x = backend.to_device(np.random.default_rng(0).standard_normal((4, 128)).astype(np.float32))
    out = backend.empty(128, np.float32)
    ints = [backend.to_device(np.zeros(32, t)) for t in (np.int32, np.uint32, np.int32)]
    one = backend.to_device(np.zeros(1, np.float32))
    for file, kernel, grid, block, arguments in (
        ("good.cu", "row_sums", 4, 128, (x, out, np.int32(128))),
        ("good.cu", "votes", 2, 32, (ints[0], np.int32(17), ints[1], one, ints[2])),
        ("good.cu", "rotate", 1, 100, (x, out)),
        ("good.cu", "half_sums", 1, 32, (out,)),
        ("groups.cu", "prefetched_sum", 1, 32, (x, out, np.int32(4))),
    ):
        backend.launch(file, kernel, (), (grid,), (block,), arguments, shared_mem=400)
    print(" ".join(launch.kernel for launch in backend.launches))


def wrong(kernel):
    backend = EmulatorBackend(order="random", folder=KERNELS)
    out = backend.empty(64, np.float32)
    x = backend.to_device(np.ones(32, np.float32))
    arguments = {
        "past_global": (out, np.int32(33)),
        "read_past_global": (x, out, np.int32(1)),
        "misaligned": (x, out),
        "copy_of_another_lane": (x, out),
        "copy_to_where_others_read": (x, out),
    }.get(kernel, (out,))
    grid, block = LAUNCHES.get(kernel, (1, 32))
    try:
        backend.launch("wrong.cu", kernel, (), (grid,), (block,), arguments, shared_mem=128)
    except EmulatorError as error:
        print(error)


# Long enough for every path of a row, short enough for a sanitizer.
SHAPE = {"lengths": (0, 1, 31, 32, 33, 200, 0, 70, *range(3, 40)), "columns": 210}
FEW = 17  # factors: not a multiple of what a lane holds, and fewer than half of the rows' number


def checks(name, order="random", **settings):
    """Return the functions that solve the rows of SHAPE, run a fit, or do what surrounds one, by name.

    Each raises an error where a result is wrong. They share their kernels as far as they can, since to
    compile one takes far longer than to run it: all but the first have FEW factors and one lambda.
    """
    from cases import gpu_gramian, gpu_tensor
    from cases.gpu import TOLERANCE, device, error_of, error_of_relaxed, tolerance
    from cases.gpu_kernels import AROUND
    from cases.gpu_stopping import RULED, judge
    from cases.solvers import awkward
    from halfstep import SOLVERS
    from halfstep.kernels.cuda.backend import current

    if name in AROUND:

        def around():
            backend = EmulatorBackend(order=order, multiprocessors=1, **settings)
            AROUND[name](backend)
            print(" ".join(sorted({launch.kernel for launch in backend.launches})))

        return {"around": around}

    def here(check, limit=None, longest=150, **more):
        """Return a check on a device of its own; it raises unless its error is below `limit`."""

        def run():
            with short_hubs(longest), device(order, **{**settings, **more}):
                error = check()
            if limit is not None and not error < limit:
                raise Wrong(f"{name}: an error of {error}")

        return run

    if name == gpu_gramian.NAME:  # whose other rows are those of the rung before
        found = {"small weight": here(lambda: gpu_gramian.small_share(current()), 2e-5)}
        for wide, limit, part in gpu_gramian.LAYOUTS:
            found[f"{wide} factors"] = here(
                partial(gpu_gramian.error_of_systems, wide, part),
                gpu_gramian.TOLERANCE,
                shared_limit=limit,
            )
        return found
    most = tolerance(name)
    # Longer tiles for tensor cores, of which shared memory keeps fewer, so that a row is streamed.
    few = 33 if name == gpu_tensor.NAME else FEW
    found = {"half-step": here(lambda: error_of(name, 33, "implicit", 0.5, **SHAPE), most)}
    if name in RULED:
        found["relaxed"] = here(
            lambda: error_of_relaxed(name, 3, few, **SHAPE), TOLERANCE["float32"]
        )
    if name == gpu_tensor.NAME:  # whose rule is that of the rung before
        small = {"longest": gpu_tensor.HUB, "shared_limit": gpu_tensor.SHARED}
        found["light"] = here(lambda: gpu_tensor.error_of_light(few), most, **small)
        found["before"] = here(
            lambda: gpu_tensor.difference("linear", 1e3, few), gpu_tensor.TOLERANCE, **small
        )
    elif name == "gpu_cholesky":
        for where, limit in (("in registers", None), ("in global memory", 7 * 1024)):
            found[f"tiles of eight {where}"] = here(
                lambda: error_of(name, 70, **SHAPE), most, shared_limit=limit
            )
    elif name in RULED:
        found["rule"] = here(lambda: judge(name, f=few))
        found["heavy rule"] = here(lambda: judge(name, f=few, cg_tolerance=None))
        # To the one step, which float32 does not allow.
        found["exact rule"] = here(lambda: judge(name, "float64", f=few))
    if name != gpu_tensor.NAME:  # which adds only half-steps to the fit of the rung before
        model = SOLVERS[name](factors=few, iterations=1)
        found["fit"] = here(lambda: model.fit(awkward(), show_progress=False))
    return found


def rung(name, order="random", only="", **settings):
    """Run the checks of a rung or of what surrounds one, or only one of them."""
    for check, run in checks(name, order, **settings).items():
        if only in ("", check):
            print(f"{order}, {check}:", flush=True)
            run()
    print(f"{name} is right")


def short_hubs(longest=150):
    """Let rows of SHAPE be hubs of several parts, so that the kernels for hubs run, too."""
    from halfstep.solvers.gpu import cg_6_split, cholesky

    stack = ExitStack()
    for owner, name, entries in (
        (cg_6_split, "LONGEST", longest),
        (cg_6_split, "_PART", 32),
        (cholesky, "HUB", 150),
        (cholesky, "PART", 64),
    ):
        stack.enter_context(mock.patch.object(owner, name, entries))
    return stack


def mutant(file):
    """Run a rung with a bug in its kernels, in every order unless a sanitizer watches."""
    case = json.loads(Path(file).read_text())
    watched = "HALFSTEP_EMULATOR_SANITIZER" in os.environ
    for order in ["random"] if watched else ORDERS:
        try:
            rung(case["rung"], order, case["check"], mutations=case["mutations"])
        except (EmulatorError, Wrong, FloatingPointError, AssertionError) as error:
            print(error)
            sys.exit(3)


if __name__ == "__main__":
    command, *rest = sys.argv[1:]
    {"right": right, "wrong": wrong, "rung": rung, "mutant": mutant}[command](*rest)
