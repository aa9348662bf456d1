"""The options that several commands share, each said once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from halfstep.errors import InputError
from halfstep.files import write_json

DEFAULT_DATA = "music-small"
Choice = TypeVar("Choice", bound=str)

Data = Annotated[
    str,
    typer.Option(
        "--data",
        "-d",
        help="A preset (see `halfstep data list`), a file, a folder, or FORMAT:PATH.",
    ),
]
Factors = Annotated[int, typer.Option("--factors", "-f", help="Columns of the factor matrices.")]
Iterations = Annotated[int, typer.Option(help="Pairs of half-steps: users, then items.")]
Regularization = Annotated[float, typer.Option(help="lambda.")]
Exponent = Annotated[
    float,
    typer.Option("--regularization-exponent", help="nu: lambda grows with the row's entries."),
]
Confidence = Annotated[str, typer.Option(help="implicit, linear, log, binary or explicit.")]
Alpha = Annotated[float, typer.Option(help="Slope of the confidence.")]
Epsilon = Annotated[float, typer.Option(help="Scale inside the logarithm, confidence log only.")]
Background = Annotated[
    float | None,
    typer.Option(help="Weight of what is not stored, confidence binary only."),
]
Seed = Annotated[int, typer.Option(help="Of the start, the split and everything else drawn.")]
Threads = Annotated[int, typer.Option("--threads", help="Cores to use; 0 means all.")]
Json = Annotated[Path | None, typer.Option("--json", help="Also write the result to this file.")]
Checkpoint = Annotated[
    Path | None, typer.Option(help="Save the fit's state to this file, again and again.")
]
CheckpointEvery = Annotated[int, typer.Option(help="Iterations from one checkpoint to the next.")]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on from the checkpoint, where there is one.")
]
TestFraction = Annotated[
    float, typer.Option(help="Share of each user's entries held out, where the data has no split.")
]
Suite = Annotated[str, typer.Option(help="quick, full, scaling, queries, roofline or quality.")]
Names = Annotated[
    str | None,
    typer.Option(
        help="Solvers to run, separated by commas, with settings behind colons (eigenbasis:exact); "
        "the suite's if not given."
    ),
]
Sizes = Annotated[
    str | None, typer.Option("--factors", "-f", help="Sizes, separated by commas: 32,64.")
]


def integers(option: str, value: str | None) -> tuple[int, ...] | None:
    """Return the integers of a comma-separated option."""
    if value is None:
        return None
    try:
        return tuple(int(part) for part in value.split(","))
    except ValueError:
        raise InputError(f"{option} must be integers separated by commas, got {value!r}") from None


def one_of(option: str, value: str, choices: tuple[Choice, ...]) -> Choice:
    """Return the choice that `value` names."""
    for choice in choices:
        if value == choice:
            return choice
    raise InputError(f"{option} must be one of {', '.join(choices)}, got {value!r}")


def model_settings(
    factors: int,
    iterations: int,
    regularization: float,
    exponent: float,
    confidence: str,
    alpha: float,
    epsilon: float,
    background: float | None,
    seed: int,
    threads: int,
) -> dict[str, Any]:
    """Return a solver's keyword arguments from the command's options."""
    return {
        "factors": factors,
        "iterations": iterations,
        "regularization": regularization,
        "regularization_exponent": exponent,
        "confidence": confidence,
        "alpha": alpha,
        "epsilon": epsilon,
        "background": background,
        "random_state": seed,
        "num_threads": threads,
    }


def write(json: Path | None, result: Any) -> None:
    """Write a result as JSON where `--json` names a file."""
    if json is not None:
        write_json(json, result)
