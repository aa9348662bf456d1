"""`halfstep doctor`: what this machine can run, or how heavy the weights of some data are."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from halfstep import options as o
from halfstep.errors import InputError
from halfstep.files import check_writable

console = Console()
_WITHOUT_DATA = ("data", "json")

Data = Annotated[
    str | None,
    typer.Option(
        "--data", "-d", help="Say how heavy this data's weights are, and how many steps they take."
    ),
]


def doctor(
    context: typer.Context,
    data: Data = None,
    factors: o.Factors = 64,
    regularization: o.Regularization = 0.01,
    exponent: o.Exponent = 0.0,
    confidence: o.Confidence = "implicit",
    alpha: o.Alpha = 1.0,
    epsilon: o.Epsilon = 1.0,
    background: o.Background = None,
    seed: o.Seed = 0,
    threads: o.Threads = 0,
    json: o.Json = None,
) -> None:
    """Say what this machine can run, and how to mend what it cannot.

    With --data: how heavy the data's weights are by the convention of `fit` (the other options are
    its), and how many steps rows would take, tried on a sample with the CPU's fastest solver.
    """
    if data is None:
        _machine(context, json)
        return
    from halfstep import datasets
    from halfstep.show_heaviness import examine, show
    from halfstep.solvers.matrix import as_csr, not_empty

    settings = o.model_settings(
        factors, 0, regularization, exponent, confidence, alpha, epsilon, background,
        seed, threads,
    )  # fmt: skip
    from halfstep.solvers.eigenbasis import Eigenbasis

    model = Eigenbasis(**settings)
    check_writable(json, "--json", data)
    loaded = datasets.load(data)
    examination = examine(loaded, model, not_empty(as_csr(loaded.interactions)), seed)
    show(console, examination)
    o.write(json, examination)


def _machine(context: typer.Context, json: o.Json) -> None:
    from halfstep import show
    from halfstep.doctor import examine

    for parameter in context.command.params:
        name = str(parameter.name)
        source = context.get_parameter_source(name)
        if name not in _WITHOUT_DATA and source is not None and source.name == "COMMANDLINE":
            raise InputError(f"{max(parameter.opts, key=len)} has no meaning without --data")
    check_writable(json, "--json")
    examination = examine()
    show.doctor(console, examination)
    o.write(json, examination)
