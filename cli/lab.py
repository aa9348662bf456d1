"""The commands about the course's exercises."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from halfstep.cli import options as o
from halfstep.files import check_writable

app = typer.Typer(
    help="The music-recommendation lab: run it, check its exercises.", no_args_is_help=True
)
console = Console()


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="The exercises, filled in: .ipynb or .py.")],
    json: o.Json = None,
) -> None:
    """Say which half-step of an exercise is wrong, and by how much; exit code 1 if one is."""
    from halfstep.cli.show import table
    from halfstep.lab.check import EXERCISES
    from halfstep.lab.check import check as examine

    check_writable(json, "--json", file)
    found = examine(file)
    listed = table("Exercises", "exercise", "what", "half-step", "state", "by how much")
    for name, what in EXERCISES.items():
        of = [finding for finding in found if finding.exercise == name]
        if not of:
            listed.add_row(name, what, "", "missing", "there is no function of this name")
        elif of[-1].state == "right":
            steps = f"all {len(of)}" if of[-1].step else ""
            listed.add_row(name, what, steps, "right", "")
        else:
            listed.add_row(name, what, of[-1].step, of[-1].state, escape(of[-1].said))
    console.print(listed)
    o.write(json, found)
    done = {f.exercise for f in found if f.state == "right"}
    bad = {f.exercise for f in found if f.state != "right"}
    console.print(f"{len(done - bad)} of {len(EXERCISES)} right", highlight=False)
    if len(done - bad) < len(EXERCISES):
        raise typer.Exit(1)


@app.command("run")
def run_lab(
    notebook: Annotated[Path, typer.Argument(help="The notebook.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The page, an .html file.")],
) -> None:
    """Run a notebook from its beginning and write it with its results as one page."""
    from halfstep.lab.notebook import run_notebook

    check_writable(output, "--output", notebook)
    run_notebook(notebook, output)
    console.print(f"wrote {output}", highlight=False)


@app.command()
def exercises(
    notebook: Annotated[Path, typer.Argument(help="The notebook.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The exercises, an .ipynb file.")],
) -> None:
    """Write a notebook's exercises: the same, with the solvers' bodies open."""
    from halfstep.lab.notebook import exercises_of, read_notebook, write_notebook

    check_writable(output, "--output", notebook)
    write_notebook(exercises_of(read_notebook(notebook)), output)
    console.print(f"wrote {output}", highlight=False)
