"""`halfstep cluster`: fits over machines. Each command is a file of this folder, and a line here."""

from __future__ import annotations

import typer

from halfstep.cli.cluster import evaluate, fit, plan, results

app = typer.Typer(
    help="Fits over several machines, on Dask: plan one, make it, use what it has fitted.",
    no_args_is_help=True,
)
app.command()(plan.plan)
app.command()(fit.fit)
app.command()(evaluate.evaluate)
app.command()(results.recommend)
app.command()(results.export)
