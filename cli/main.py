"""The `halfstep` command: the list of its commands, and the exit code of each outcome.

Exit codes: 0 done, 1 a comparison failed, 2 bad input (one line on stderr, nothing written),
130 interrupted.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable

import typer
from numpy.linalg import LinAlgError

from halfstep.cli import bench, cluster, compare, data, doctor, evaluate, lab, model, query, tune
from halfstep.errors import DeviceLost, InputError, SolverUnavailable
from halfstep.interruption import interrupted_at_once
from halfstep.progress import shown

# In the order of the help; `data`, `cluster` and `lab` have commands of their own.
COMMANDS: tuple[Callable[..., None], ...] = (
    doctor.doctor,
    model.fit,
    query.recommend,
    query.similar,
    query.explain,
    evaluate.evaluate,
    tune.tune,
    compare.compare,
    bench.bench,
    doctor.warmup,
)
app = typer.Typer(
    help="Matrix factorisation of implicit feedback by alternating least squares (ALS).\n\n"
    "Begin with `halfstep doctor`, `halfstep data list` and `halfstep fit`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in COMMANDS:
    app.command()(command)
app.add_typer(data.app, name="data")
app.add_typer(cluster.app, name="cluster")
app.add_typer(lab.app, name="lab")
_INTERRUPTED = model.INTERRUPTED


class _ToStderr(logging.Handler):
    """Write to what `sys.stderr` is at the time: while a bar is drawn, what writes above it."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            print(self.format(record), file=sys.stderr)
        except Exception:
            self.handleError(record)


def main(arguments: list[str] | None = None) -> None:
    """Run the command and exit; an error that the user can fix is one line on stderr."""
    logging.basicConfig(
        level=logging.WARNING, format="halfstep: %(message)s", handlers=[_ToStderr()]
    )
    warnings.showwarning = lambda message, *_: print(f"halfstep: {message}", file=sys.stderr)
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    try:
        with interrupted_at_once(), shown():
            code = app(arguments, standalone_mode=False)
    except (InputError, SolverUnavailable, DeviceLost, MemoryError) as error:
        return _refuse(str(error) or type(error).__name__)
    except (ArithmeticError, LinAlgError) as error:
        return _refuse(f"these arguments lead to numbers out of range: {error}")
    except OSError as error:
        return _refuse(f"{error.filename or 'file'}: {error.strerror or error}")
    except KeyboardInterrupt:
        return _interrupted()
    except Exception as error:
        # The classes of Typer's errors differ between releases; `format_message` and the name do not.
        message = getattr(error, "format_message", None)
        if message is not None:
            # It is empty if Typer has printed the help for a command without arguments.
            return _refuse(message()) if message() else 2
        if type(error).__name__ == "Abort":
            return _interrupted()
        raise
    # Some releases of Typer turn Ctrl-C into this code and print nothing.
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
