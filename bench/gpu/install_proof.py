"""Compile every kernel by the CUDA compiler and headers that CuPy finds, for each architecture; no card.

Run it in an environment with the package and one of its extras; `make gpu-install-proof` makes both.
The options are those of CuPy's `RawModule`, put together by CuPy itself; only the architecture is given
here, since CuPy asks the card for it.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import os
import re
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from halfstep.kernels.cuda.catalogue import CATALOGUE
from halfstep.kernels.cuda.sources import source

ARCHITECTURES = (75, 80, 86, 89, 90, 100, 120)
_KERNEL = re.compile(r"Compiling entry function '(\w+)'")
_SPILLS = re.compile(r"(\d+) bytes spill stores, (\d+) bytes spill loads")
_REGISTERS = re.compile(r"Used (\d+) registers")


class Job(NamedTuple):
    """What one call of the compiler is given."""

    architecture: int
    file: str
    defines: tuple[str, ...]


class Outcome(NamedTuple):
    """What the compiler made of it; `error` is "" where it compiled.

    `kernels` has (registers a thread, bytes of spill stores and loads) of each kernel.
    """

    architecture: int
    file: str
    defines: tuple[str, ...]
    seconds: float
    error: str
    kernels: dict[str, tuple[int, int]]


def jobs(architectures: Iterable[int], files: Iterable[str] = ()) -> list[Job]:
    """Return all variants of the files (of every file if none is named) that these cards can run."""
    wanted = set(files) or set(CATALOGUE)
    return [
        Job(architecture, file, defines)
        for architecture in architectures
        for file, listed in CATALOGUE.items()
        if file in wanted and architecture >= listed.least_architecture
        for defines in listed.variants
    ]


def supported(architectures: Iterable[int]) -> list[int]:
    """Return those of the architectures that this compiler knows."""
    return [sm for sm in architectures if not _compile("", "empty.cu", sm, ())[1]]


def compiled(job: Job) -> Outcome:
    """Compile one variant as CuPy would on such a card."""
    began = time.perf_counter()
    log, error = _compile(source(job.file), job.file, job.architecture, job.defines)
    return Outcome(*job, round(time.perf_counter() - began, 3), error, _kernels(log))


def _kernels(log: str) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    names_and_parts = _KERNEL.split(log)[1:]  # a name, what follows it, the next name, ...
    for name, part in zip(names_and_parts[::2], names_and_parts[1::2], strict=True):
        registers, spills = _REGISTERS.search(part), _SPILLS.search(part)
        if registers:
            found[name] = int(registers[1]), sum(map(int, spills.groups())) if spills else 0
    return found


def _compile(text: str, name: str, architecture: int, defines: tuple[str, ...]) -> tuple[str, str]:
    """Return (the compiler's log, the error or "")."""
    import cupy
    from cupy._core.core import assemble_cupy_compiler_options
    from cupy.cuda import compiler

    # CuPy asks the card before it writes the option for the architecture.
    asked: Any = compiler
    asked._get_arch_for_options_for_nvrtc = lambda arch=None: (f"-arch=sm_{arch}", "cubin")
    options = ("-std=c++17", *(f"-D{definition}" for definition in defines))
    options = (*assemble_cupy_compiler_options(options), "-ftz=true", "--ptxas-options=-v")
    log = io.StringIO()
    try:
        compiler.compile_using_nvrtc(text, options, str(architecture), name, log_stream=log)
    except compiler.CompileException as problem:
        return "", str(problem) or "the compiler fails"
    except cupy.cuda.nvrtc.NVRTCError as problem:
        return "", str(problem)
    return log.getvalue(), ""


def threads_gain(job_list: list[Job], threads: int) -> tuple[float, float]:
    """Return the seconds that these compilations take one by one, and in threads of one process."""
    began = time.perf_counter()
    for job in job_list:
        compiled(job)
    serial = time.perf_counter() - began
    began = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(compiled, job_list))
    return serial, time.perf_counter() - began


def main(arguments: list[str] | None = None) -> int:
    """Print a line of JSON for each variant and a summary; 1 if one does not compile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--architectures", type=int, nargs="+", default=ARCHITECTURES)
    parser.add_argument("--files", nargs="+", default=())
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--threads", action="store_true", help="measure threads against one")
    chosen = parser.parse_args(arguments)
    import cupy

    known = supported(chosen.architectures)
    version = ".".join(map(str, cupy.cuda.nvrtc.getVersion()))
    print(json.dumps({"cupy": cupy.__version__, "nvrtc": version, "architectures": known}))
    if not known:
        print("no architecture compiles", file=sys.stderr)
        return 1
    wanted = jobs(known, chosen.files)
    if chosen.threads:
        serial, parallel = threads_gain(wanted, chosen.processes)
        print(json.dumps({"compilations": len(wanted), "one": serial, "threads": parallel}))
        return 0
    failed = spilled = 0
    with multiprocessing.get_context("spawn").Pool(chosen.processes) as pool:
        for outcome in pool.imap_unordered(compiled, wanted, chunksize=1):
            failed += bool(outcome.error)
            spilled += any(spills for _, spills in outcome.kernels.values())
            print(json.dumps(outcome._asdict()), flush=True)
    print(json.dumps({"compiled": len(wanted) - failed, "failed": failed, "spill": spilled}))
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
