"""The options that several commands share, and functions that turn options into arguments."""

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
        help="Data set: a preset (see `halfstep data list`), a file, a folder, or FORMAT:PATH.",
    ),
]
Solver = Annotated[
    str,
    typer.Option(help="auto, cpu, gpu, or a solver's name; `halfstep doctor` lists the solvers."),
]
Factors = Annotated[int, typer.Option("--factors", "-f", help="Number of factors.")]
Iterations = Annotated[
    int,
    typer.Option(help="Number of iterations, each a half-step of the users and one of the items."),
]
Regularization = Annotated[float, typer.Option(help="Regularisation lambda.")]
Exponent = Annotated[
    float,
    typer.Option(
        "--regularization-exponent",
        help="Exponent nu: 0 gives every row the same lambda, 1 makes it grow with the row's weight.",
    ),
]
Confidence = Annotated[
    str,
    typer.Option(help="How values become weights: implicit, linear, log, binary or explicit."),
]
Alpha = Annotated[float, typer.Option(help="Slope of the weights.")]
Epsilon = Annotated[float, typer.Option(help="Scale inside the logarithm of --confidence log.")]
Transform = Annotated[
    str | None,
    typer.Option(
        help="What values go through before --confidence: bm25 or tfidf; nothing by default."
    ),
]
Bm25K1 = Annotated[
    float, typer.Option("--bm25-k1", help="K1 of --transform bm25: values far above count as K1.")
]
Bm25B = Annotated[
    float,
    typer.Option(
        "--bm25-b", help="B of --transform bm25, 0 to 1: less weight for much-played items."
    ),
]
Background = Annotated[
    float | None,
    typer.Option(help="Weight of pairs that are not stored, for --confidence binary."),
]
Seed = Annotated[int, typer.Option(help="Seed of the start, the split and all other random draws.")]
Threads = Annotated[int, typer.Option("--threads", help="Number of threads; 0 means all cores.")]
Json = Annotated[
    Path | None, typer.Option("--json", help="Also write the result to this file, as JSON.")
]
Checkpoint = Annotated[
    Path | None, typer.Option(help="File to save the state of the fit to, during the fit.")
]
CheckpointEvery = Annotated[int, typer.Option(help="Number of iterations between checkpoints.")]
Resume = Annotated[
    bool, typer.Option("--resume", help="Continue from the checkpoint, if there is one.")
]
TestFraction = Annotated[
    float,
    typer.Option(
        help="Share of each user's entries to hold out, if the data comes without a split."
    ),
]
Suite = Annotated[
    str,
    typer.Option(
        help="What to measure: quick, full, scaling, queries, roofline, threads or quality."
    ),
]
Names = Annotated[
    str | None,
    typer.Option(
        help="Solvers to run, separated by commas, with settings after colons (eigenbasis:exact); "
        "the suite's solvers if not given."
    ),
]
Sizes = Annotated[
    str | None,
    typer.Option("--factors", "-f", help="Numbers of factors, separated by commas: 32,64."),
]


def integers(option: str, value: str | None) -> tuple[int, ...] | None:
    """Return the integers of a comma-separated option, or raise InputError."""
    if value is None:
        return None
    try:
        return tuple(int(part) for part in value.split(","))
    except ValueError:
        raise InputError(f"{option} must be integers separated by commas, got {value!r}") from None


def one_of(option: str, value: str, choices: tuple[Choice, ...]) -> Choice:
    """Return the choice that equals `value`, or raise InputError."""
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
    transform: str | None,
    bm25_k1: float,
    bm25_b: float,
    seed: int,
    threads: int,
) -> dict[str, Any]:
    """Return a solver's keyword arguments for a command's options."""
    return {
        "factors": factors,
        "iterations": iterations,
        "regularization": regularization,
        "regularization_exponent": exponent,
        "confidence": confidence,
        "alpha": alpha,
        "epsilon": epsilon,
        "background": background,
        "transform": transform,
        "bm25_k1": bm25_k1,
        "bm25_b": bm25_b,
        "random_state": seed,
        "num_threads": threads,
    }


def write(json: Path | None, result: Any) -> None:
    """Write a result as JSON if `--json` names a file."""
    if json is not None:
        write_json(json, result)
