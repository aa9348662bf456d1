"""`halfstep doctor`: show what this machine can run, or how heavy the weights of a data set are.

`halfstep warmup` compiles ahead what it runs, for a container's image or a CI job.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from halfstep import defaults as d
from halfstep.cli import options as o
from halfstep.cli.tables import read, takes_tables
from halfstep.datasets.tables.options import AS_FOUND, TableOptions
from halfstep.errors import InputError, SolverUnavailable
from halfstep.files import check_writable
from halfstep.machine import gpu, gpu_facts, processor, versions
from halfstep.plural import counted
from halfstep.progress import stage
from halfstep.screen import Screen

console = Screen()
_WITHOUT_DATA = ("data", "json")

Data = Annotated[
    str | None,
    typer.Option(
        "--data", "-d", help="Show how heavy this data's weights are, and how many steps rows take."
    ),
]


@takes_tables
def doctor(
    context: typer.Context,
    data: Data = None,
    factors: o.Factors = d.FACTORS,
    regularization: o.Regularization = d.REGULARIZATION,
    exponent: o.Exponent = d.EXPONENT,
    confidence: o.Confidence = d.CONFIDENCE,
    alpha: o.Alpha = d.ALPHA,
    epsilon: o.Epsilon = d.EPSILON,
    background: o.Background = None,
    transform: o.Transform = None,
    bm25_k1: o.Bm25K1 = d.BM25_K1,
    bm25_b: o.Bm25B = d.BM25_B,
    seed: o.Seed = d.SEED,
    threads: o.Threads = d.THREADS,
    json: o.Json = None,
    table: TableOptions = AS_FOUND,
) -> None:
    """Show which solvers this machine can run, and how to make the others run.

    With --data, show how heavy the weights of that data are, and how many
    conjugate gradient steps a row takes, measured on a sample with the
    fastest CPU solver. The other options are those of `fit`.
    """
    if data is None:
        _machine(context, json)
        return
    from halfstep.cli import show_heaviness
    from halfstep.solvers import SOLVERS
    from halfstep.solvers.inputs import as_csr, not_empty

    settings = o.model_settings(
        factors, 0, regularization, exponent, confidence, alpha, epsilon, background,
        transform, bm25_k1, bm25_b, seed, threads,
    )  # fmt: skip
    model: Any = SOLVERS["eigenbasis"](**settings)
    check_writable(json, "--json", data)
    loaded = read(console, data, table)
    with stage("trying half-steps on a sample"):
        examination = show_heaviness.examine(
            loaded, model, not_empty(as_csr(loaded.interactions)), seed
        )
    show_heaviness.show(console, examination)
    o.write(json, examination)


def warmup(
    float64: Annotated[
        bool, typer.Option("--float64", help="For factors in float64, instead of float32.")
    ] = False,
    json: o.Json = None,
) -> None:
    """Compile what fits, queries and evaluations on the CPU need, and keep it.

    The first fit then takes no longer than the next ones. Compiled code is kept
    in the folder that NUMBA_CACHE_DIR names; if it names none, beside the
    installed package, or in the user's cache folder.
    """
    from halfstep.evaluation.warmup import warmup as warm_up

    check_writable(json, "--json")
    with stage("compiling what fits, queries and evaluations need"):
        left = warm_up("float64" if float64 else "float32")
    what = f"{counted(left.compiled, 'functions')} compiled" if left.compiled else "all was there"
    found = f"{counted(left.files, 'files')}, {left.bytes / 1e6:.1f} MB"
    line = f"{left.folder}: {found}; {what}, in {left.seconds:.1f} s"
    console.print(line, highlight=False, markup=False, soft_wrap=True)
    o.write(json, left)


def _machine(context: typer.Context, json: o.Json) -> None:
    for parameter in context.command.params:
        name = str(parameter.name)
        source = context.get_parameter_source(name)
        if name not in _WITHOUT_DATA and source is not None and source.name == "COMMANDLINE":
            raise InputError(f"{max(parameter.opts, key=len)} has no meaning without --data")
    check_writable(json, "--json")
    examination = examine()
    _show(examination)
    o.write(json, examination)


def _show(examination: Examination) -> None:
    """Print the machine, the packages, the solvers and the choice of `auto`."""
    from rich.markup import escape

    from halfstep.cli.show import table

    facts = table("This machine", "what", "found")
    for what, value in {**examination.machine, **examination.packages}.items():
        facts.add_row(what, escape(value))
    console.print(facts)
    solvers = table("Solvers", "solver", "runs here", "if not, why and what to do")
    for name, reason in examination.solvers.items():
        solvers.add_row(name, "no" if reason else "yes", escape(reason))
    console.print(solvers)
    console.print(f'solver="auto" takes: {examination.auto}', highlight=False)


@dataclass(frozen=True)
class Examination:
    """The machine, the packages, why each solver cannot run ("" if it can), and the choice of `auto`."""

    machine: dict[str, str]
    packages: dict[str, str]
    solvers: dict[str, str]
    auto: str


def examine() -> Examination:
    """Examine this machine without fitting anything."""
    from halfstep.solvers import SOLVERS, choose

    try:
        auto = choose("auto").name
    except SolverUnavailable as error:
        auto = str(error)
    return Examination(
        machine={
            "system": platform.platform(),
            "processor": processor(),
            "cores": str(os.cpu_count()),
            "gpu": gpu() or "no NVIDIA GPU: nvidia-smi is missing or lists none",
            **gpu_facts(),
            "compiled code": _compiled_code(),
        },
        packages={name: version or "not installed" for name, version in versions().items()},
        solvers={name: solver.unavailable() or "" for name, solver in SOLVERS.items()},
        auto=auto,
    )


def _compiled_code() -> str:
    """Return where compiled code is kept and how much there is, or why it is not kept."""
    from halfstep.kernels.compiled.cache import code_folders

    refused = []
    for folder in code_folders():
        reason = folder.refused()
        if reason is None:
            files = folder.files()
            size = sum(file.stat().st_size for file in files)
            lost = "" if folder.lasting else "; lost on a restart: set NUMBA_CACHE_DIR"
            found = f"{counted(len(files), 'files')}, {size / 1e6:.1f} MB"
            return f"{folder.path}, writable ({found}{lost})"
        refused.append(f"{folder.path}: {reason}")
    return f"not kept ({'; '.join(refused)}): set NUMBA_CACHE_DIR to a folder that can be written"
