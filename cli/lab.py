"""`halfstep lab`: run the notebook, write its exercises and the ladder's, and check solutions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from halfstep.cli import options as o
from halfstep.errors import InputError
from halfstep.files import check_writable
from halfstep.screen import Screen

app = typer.Typer(
    help="The lab: run its notebook, write and check its exercises and those of the ladder.",
    no_args_is_help=True,
)
console = Screen()


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="The solved exercises: .ipynb or .py.")],
    exercise: Annotated[
        str | None,
        typer.Argument(help="The only exercise to check, of the notebook or the ladder."),
    ] = None,
    json: o.Json = None,
) -> None:
    """Check solved exercises: which is wrong, where, what was expected and what it gave.

    Without EXERCISE, those of the notebook are checked, and those of the ladder that the file has. The
    exit code is 1 unless all are right.
    """
    from halfstep.cli.show import table
    from halfstep.lab.check import EXERCISES, LADDER
    from halfstep.lab.check import check as examine

    check_writable(json, "--json", file)
    all_findings = examine(file, exercise)
    last = {finding.exercise: finding for finding in all_findings}
    of_ladder = [name for name in LADDER if name in last]
    notebook = [name for name in EXERCISES if exercise in (None, name)]
    listed = table("Exercises", "exercise", "state", "what")
    for name in (*notebook, *of_ladder):
        state = last[name].state if name in last else "missing"
        listed.add_row(name, state, escape({**EXERCISES, **LADDER}[name]))
    console.print(listed)
    for one in last.values():
        if one.state in ("wrong", "failed"):
            where = f" ({one.step})" if one.step else ""
            console.print(
                f"[bold]{one.exercise}[/]{escape(where)} {one.state}: {escape(one.said)}",
                highlight=False,
            )
            console.print(f"  expected  {escape(one.expected)}", highlight=False)
            console.print(f"  got       {escape(one.got)}", highlight=False)
    o.write(json, all_findings)
    right = {name for name, finding in last.items() if finding.state == "right"}
    counts = [
        f"{len(right.intersection(names))} of {len(names)}{of} right"
        for names, of in ((notebook, ""), (of_ladder, "" if exercise else " of the ladder"))
        if names
    ]
    console.print(" and ".join(counts), highlight=False)
    if not right.issuperset((*notebook, *of_ladder)):
        raise typer.Exit(1)


@app.command("run")
def run_lab(
    notebook: Annotated[Path, typer.Argument(help="The notebook, an .ipynb file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The .html file to write.")],
) -> None:
    """Run a notebook from its beginning and write it with its results as one HTML page."""
    from halfstep.lab.run import run_notebook

    check_writable(output, "--output", notebook)
    run_notebook(notebook, output)
    console.print(f"wrote {output}", highlight=False, soft_wrap=True)


@app.command()
def exercises(
    notebook: Annotated[Path, typer.Argument(help="The notebook, an .ipynb file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The .ipynb file to write.")],
) -> None:
    """Write a notebook's exercises: the notebook without the bodies of its solvers."""
    from halfstep.lab.notebook import exercises_of, read_notebook, write_notebook

    check_writable(output, "--output", notebook)
    write_notebook(exercises_of(read_notebook(notebook)), output)
    console.print(f"wrote {output}", highlight=False, soft_wrap=True)


@app.command()
def stubs(
    output: Annotated[Path, typer.Option("--output", "-o", help="The .py file to write.")],
) -> None:
    """Write the ladder's exercises: for each rung a function to write, with an open body.

    A file that exists already is left as it is.
    """
    from halfstep.files import whole_file
    from halfstep.lab.ladder import STUBS

    check_writable(output, "--output")
    if output.exists():
        raise InputError(f"--output: '{output}' exists already; remove it, or name another file")
    with whole_file(output) as file:
        file.write(STUBS.read_bytes())
    console.print(f"wrote {output}", highlight=False, soft_wrap=True)
