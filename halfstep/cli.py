"""The `halfstep` command.

Exit codes: 0 done, 1 a comparison failed, 2 bad input (one line on stderr, nothing written),
130 interrupted.
"""

from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer
from numpy.linalg import LinAlgError
from rich.console import Console

from halfstep import data_commands, evaluate_command, measure
from halfstep import options as o
from halfstep.errors import InputError, SolverUnavailable
from halfstep.files import check_writable, npz_path
from halfstep.interruption import ended_cleanly, interrupted_at_once

app = typer.Typer(
    help="Implicit-feedback matrix factorisation by alternating least squares.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(data_commands.app, name="data")
console = Console()
_INTERRUPTED = 130


@app.command()
def doctor(json: o.Json = None) -> None:
    """Say what this machine can run, and how to mend what it cannot."""
    from halfstep import show
    from halfstep.doctor import examine

    check_writable(json, "--json")
    examination = examine()
    show.doctor(console, examination)
    o.write(json, examination)


@app.command()
def fit(
    output: Annotated[Path, typer.Option("--output", "-o", help="The model, an .npz file.")],
    data: o.Data = o.DEFAULT_DATA,
    solver: Annotated[str, typer.Option(help="auto, cpu, gpu, or a solver's name.")] = "auto",
    factors: o.Factors = 64,
    iterations: o.Iterations = 15,
    regularization: o.Regularization = 0.01,
    exponent: o.Exponent = 0.0,
    confidence: o.Confidence = "implicit",
    alpha: o.Alpha = 1.0,
    epsilon: o.Epsilon = 1.0,
    background: o.Background = None,
    seed: o.Seed = 0,
    threads: o.Threads = 0,
    checkpoint: o.Checkpoint = None,
    checkpoint_every: o.CheckpointEvery = 1,
    resume: o.Resume = False,
) -> None:
    """Fit a model to all of a data set and save it.

    The first Ctrl-C ends the fit after the current half-step and saves what it has (exit code 130), the
    second one ends the command at once.
    """
    from halfstep import datasets
    from halfstep.evaluation.equivalence import factors_of
    from halfstep.evaluation.objective import objective
    from halfstep.solvers import make
    from halfstep.solvers.matrix import as_csr

    settings = o.model_settings(
        factors, iterations, regularization, exponent, confidence, alpha, epsilon, background,
        seed, threads,
    )  # fmt: skip
    model = make(solver, **settings)
    output = npz_path(output)
    check_writable(output, "--output")
    matrix = as_csr(datasets.load(data).interactions)
    with ended_cleanly():
        model.fit(matrix, checkpoint=checkpoint, checkpoint_every=checkpoint_every, resume=resume)
    model.save(output)
    if model.interrupted_ is not None:
        console.print(
            f"{model.solver_}: interrupted after {model.interrupted_} of {model.iterations} "
            f"iterations; wrote {output}",
            highlight=False,
        )
        raise typer.Exit(_INTERRUPTED)
    # Once, not after every iteration: the float64 audit takes longer than a compiled half-step.
    loss = objective(*model.weights(matrix), *factors_of(model))
    console.print(
        f"{model.solver_}: objective {loss:.6g} after {len(model.seconds_)} iterations, "
        f"{sum(model.seconds_):.2f} s; wrote {output}",
        highlight=False,
    )


@app.command()
def recommend(
    model: Annotated[Path, typer.Argument(help="A model that `halfstep fit` wrote.")],
    user: Annotated[str, typer.Option(help="The user's id in the data.")],
    data: o.Data = o.DEFAULT_DATA,
    n: Annotated[int, typer.Option("-n", help="How many items.")] = 10,
    json: o.Json = None,
) -> None:
    """Recommend items that a user of the data does not have yet."""
    from halfstep import datasets, show
    from halfstep.solvers import AlternatingLeastSquares

    check_writable(json, "--json")
    fitted = AlternatingLeastSquares.load(model)
    source = datasets.load(data)
    row = source.user_index(user)
    ids, scores = fitted.recommend(row, source.interactions[row], N=n)
    show.recommendations(console, source, user, ids, scores)
    o.write(
        json,
        [
            {"item": str(source.item_ids[i]), "score": float(s)}
            for i, s in zip(ids, scores, strict=True)
        ],
    )


app.command()(evaluate_command.evaluate)
app.command()(measure.compare)
app.command()(measure.bench)


def main(arguments: list[str] | None = None) -> None:
    """Run the command; errors that a user can mend are one line on stderr."""
    logging.basicConfig(level=logging.WARNING, format="halfstep: %(message)s", stream=sys.stderr)
    warnings.showwarning = lambda message, *_: print(f"halfstep: {message}", file=sys.stderr)
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    try:
        with interrupted_at_once():
            code = app(arguments, standalone_mode=False)
    except (InputError, SolverUnavailable, MemoryError) as error:
        return _refuse(str(error) or type(error).__name__)
    except (ArithmeticError, LinAlgError) as error:
        return _refuse(f"these arguments lead to numbers out of range: {error}")
    except OSError as error:
        return _refuse(f"{error.filename or 'file'}: {error.strerror or error}")
    except KeyboardInterrupt:
        return _interrupted()
    except Exception as error:
        # Typer's own errors differ in class from release to release, not in these two attributes.
        message = getattr(error, "format_message", None)
        if message is not None:
            # The help that was printed for a command without arguments is its own message.
            return _refuse(message()) if message() else 2
        if type(error).__name__ == "Abort":
            return _interrupted()
        raise
    # Some releases of Typer turn Ctrl-C into this code and say nothing.
    if code == _INTERRUPTED:
        return _interrupted()
    return code if isinstance(code, int) else 0


def _refuse(message: str) -> int:
    print("halfstep: " + " ".join(message.split()), file=sys.stderr)
    return 2


def _interrupted() -> int:
    print("halfstep: interrupted", file=sys.stderr)
    return _INTERRUPTED


if __name__ == "__main__":
    main()
