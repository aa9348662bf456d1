"""`halfstep warmup`: compile ahead what the commands need, for a container's image or a CI job."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from halfstep.cli import options as o
from halfstep.files import check_writable
from halfstep.progress import stage

console = Console()
Float64 = Annotated[
    bool, typer.Option("--float64", help="For factors in float64, instead of float32.")
]


def warmup(float64: Float64 = False, json: o.Json = None) -> None:
    """Compile what fits, queries and evaluations on the CPU need, and keep it.

    The first fit then takes no longer than the next ones. Compiled code is kept
    in the folder that NUMBA_CACHE_DIR names; if it names none, beside the
    installed package, or in the user's cache folder.
    """
    from halfstep.evaluation.warmup import warmup as warm_up

    check_writable(json, "--json")
    with stage("compiling what fits, queries and evaluations need"):
        left = warm_up("float64" if float64 else "float32")
    what = f"{left.compiled} functions compiled" if left.compiled else "nothing was left to compile"
    console.print(
        f"{left.folder}: {left.files} files, {left.bytes / 1e6:.1f} MB; {what} in {left.seconds:.1f} s",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    o.write(json, left)
