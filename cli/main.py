"""The `halfstep` command.

Exit codes: 0 done, 1 a comparison failed, 2 bad input (one line on stderr, nothing written),
130 interrupted.
"""

from __future__ import annotations

import logging
import sys
import warnings

import typer
from numpy.linalg import LinAlgError

from halfstep.cli import bench, compare, data, doctor, evaluate, lab, model, tune
from halfstep.errors import InputError, SolverUnavailable
from halfstep.interruption import interrupted_at_once

app = typer.Typer(
    help="Implicit-feedback matrix factorisation by alternating least squares.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(data.app, name="data")
app.add_typer(lab.app, name="lab")
_INTERRUPTED = model.INTERRUPTED


app.command()(doctor.doctor)
for command in (
    model.fit,
    model.recommend,
    model.similar,
    model.explain,
):
    app.command()(command)
app.command()(evaluate.evaluate)
app.command()(tune.tune)
app.command()(compare.compare)
app.command()(bench.bench)


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
