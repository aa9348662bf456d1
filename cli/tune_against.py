"""The option `--against` of `halfstep tune`: the choice of an earlier search, beside this one's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from halfstep.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from halfstep.evaluation.protocols.validation import Validation
    from halfstep.solvers import Solver

EARLIER = "earlier"
_MEASURED = ("recall", "ndcg")


def earlier(path: Path | None, seed: int, threads: int) -> dict[str, Callable[[], Solver]]:
    """Return the model that an earlier search chose, by its name in the tables; none without a path.

    Raises
    ------
    InputError
        The file is not what `halfstep tune` wrote, or its settings are none of a solver.
    """
    from halfstep.bench.report.tuning import read_tuning
    from halfstep.solvers import make

    if path is None:
        return {}
    record = read_tuning(path)
    if record is None:
        raise InputError(
            f"--against must be the results.json of an earlier halfstep tune, got '{path}'"
        )
    try:
        chosen, solver = record["chosen"], record["solver"]
        settings = chosen["settings"] | {"iterations": chosen["iterations"]}
    except (KeyError, TypeError) as error:
        raise InputError(f"--against: '{path}' must have the field {error}") from None

    def model() -> Solver:
        made: Solver = make(solver, **settings, random_state=seed, num_threads=threads)
        return made

    model()  # so that wrong settings are said before the search, not after it
    return {EARLIER: model}


def show_paired(console: Console, validation: Validation, k: int) -> dict[str, Any]:
    """Print and return the tuned model's paired differences with the earlier one, if there is one."""
    if EARLIER not in validation.judged:
        return {}
    verdicts = {}
    for metric in (f"{name}@{k}" for name in _MEASURED):
        verdict = validation.paired("tuned", EARLIER, metric)
        verdicts[metric] = asdict(verdict)
        console.print(
            f"{metric}: tuned - earlier = {verdict.difference:+.4f} "
            f"[{verdict.low:+.4f}, {verdict.high:+.4f}], paired over {verdict.users:,} users",
            highlight=False, markup=False,
        )  # fmt: skip
    return {"against": verdicts}
