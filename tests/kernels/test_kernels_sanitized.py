"""The sanitizers find what they must, and nothing in the kernels that the solvers launch."""

import sys
from unittest import mock

import pytest
from cases import sanitizer_program
from cases.gpu_kernels import AROUND
from cases.solvers import GPU_RUNGS
from emulator import EmulatorBackend, build, sanitize

from halfstep.kernels.cuda.catalogue import CATALOGUE

PROGRAM = sanitizer_program.__file__
pytestmark = pytest.mark.kernels
SANITIZERS = ["address", "thread"]


def run(sanitizer, *arguments):
    reason = sanitize.why_not(sanitizer)
    if reason:
        pytest.skip(reason)
    return sanitize.run(sanitizer, [PROGRAM, *arguments])


# What each kernel of wrong.cu does, and how the sanitizer that sees it says so.
FOUND = {
    ("address", "past_global"): ("heap-buffer-overflow", 38),
    ("address", "read_past_global"): ("heap-buffer-overflow", 40),
    ("address", "past_shared"): ("use-after-poison", 28),
    ("address", "past_static"): ("use-after-poison", 34),
    ("address", "misaligned"): ("misaligned address", 50),
    ("thread", "no_barrier"): ("data race", 55),
    ("thread", "lost_update"): ("data race", 61),
    ("thread", "same_value"): ("data race", 63),
    ("thread", "blocks_race"): ("data race", 65),
    ("thread", "shuffle_is_no_fence"): ("data race", 71),
    ("thread", "copy_of_another_lane"): ("data race", 84),
    ("thread", "copy_to_where_others_read"): ("data race", 76),
}


@pytest.mark.parametrize(("sanitizer", "kernel"), list(FOUND))
def test_a_known_error_is_found_at_its_line(sanitizer, kernel):
    done = run(sanitizer, "wrong", kernel)
    kind, line = FOUND[sanitizer, kernel]
    assert any(
        kind in report.kind and report.where in (f"wrong.cu:{line}", f"wrong.cu:{line - 1}")
        for report in done.reports
    ), done.output
    assert done.returncode != 0


@pytest.mark.parametrize("sanitizer", SANITIZERS)
def test_kernels_that_are_right_raise_no_report(sanitizer):
    done = run(sanitizer, "right")
    assert done.returncode == 0, done.output
    assert done.reports == ()
    assert "row_sums votes rotate half_sums prefetched_sum" in done.output


@pytest.mark.parametrize("sanitizer", SANITIZERS)
@pytest.mark.parametrize("name", [*GPU_RUNGS, *AROUND])
def test_the_solvers_kernels_raise_no_report(name, sanitizer):
    """Half-steps over rows of every length and a fit, and what surrounds them, each result checked."""
    done = run(sanitizer, "rung", name)
    assert done.reports == (), done.output
    assert done.returncode == 0, done.output
    assert f"{name} is right" in done.output


def test_the_watched_cases_launch_every_kernel():
    """A kernel that no case above launches is a kernel that no sanitizer has seen."""
    if build.why_not():
        pytest.skip(build.why_not())
    launched = set()
    launch = EmulatorBackend.launch

    def noted(self, file, kernel, *args, **keywords):
        launched.add(kernel)
        return launch(self, file, kernel, *args, **keywords)

    with mock.patch.object(EmulatorBackend, "launch", noted):
        for name in [*GPU_RUNGS, *AROUND]:
            sanitizer_program.rung(name)
    assert launched == {kernel for source in CATALOGUE.values() for kernel in source.kernels}


def test_the_program_runs_here_too():
    """Without a sanitizer the same program passes, so a failure above is the sanitizer's."""
    import subprocess

    done = subprocess.run(
        [sys.executable, PROGRAM, "rung", GPU_RUNGS[0]],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
