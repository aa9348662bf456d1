"""`halfstep cluster`: fits over machines. Each command is a file of this folder, and a line here."""

from __future__ import annotations

import typer

from halfstep.cli.cluster import plan

app = typer.Typer(
    help="Fits over several machines, on Dask: plan one before you begin it.",
    no_args_is_help=True,
)
app.command()(plan.plan)


@app.callback()
def _group() -> None:
    """Keep `plan` a command of a group, also while it is the only one."""
