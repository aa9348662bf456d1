"""Show a search for parameters: its progress, the trials, and the final quality."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from halfstep.cli import judging
from halfstep.cli.show import table
from halfstep.errors import InputError
from halfstep.plural import counted
from halfstep.progress import task_bar
from halfstep.progress_task import Task

if TYPE_CHECKING:
    from halfstep.evaluation.protocols.validation import Validation
    from halfstep.evaluation.tuning.search import Search
    from halfstep.evaluation.tuning.store import Trial
    from halfstep.solvers import Solver

EARLIER = "earlier"
_MEASURED = ("recall", "ndcg")
_ROWS = 12
_SHORT = {
    "confidence": "weights",
    "regularization": "lambda",
    "feature_regularization": "mu",
    "regularization_exponent": "exponent",
}


@contextmanager
def progress(
    description: str, seconds: float | None
) -> Iterator[Callable[[Trial, int | None], None]]:
    """Yield a function to call after each trial; the bar counts trials, or seconds if time decides."""
    bar = Trials(description, seconds)
    with task_bar(bar):
        yield bar.after


class Trials(Task):
    """A search: how many trials there were, and the best value so far."""

    def __init__(self, description: str, seconds: float | None) -> None:
        super().__init__(description, None if seconds is None else round(seconds))
        self._allowed, self._trials, self._best = seconds, 0, float("-inf")

    def after(self, trial: Trial, total: int | None) -> None:
        """Note a trial, of `total`."""
        self._trials += 1
        self._best = self._best if trial.pruned else max(self._best, trial.value)
        count = f"{self._trials} of {total} trials" if total else counted(self._trials, "trials")
        factors = f"now {trial.settings.get('factors')} factors"
        best = f"best {self._best:.4f}" if self._best > float("-inf") else ""
        self.note = ", ".join(filter(None, [count, best, factors]))
        if self._allowed is None:
            self.update(done=self._trials, total=total)

    @property
    def share(self) -> float | None:
        """The share of the trials, or of the time if there is a limit to it."""
        return super().share if self._allowed is None else min(1.0, self.seconds / self._allowed)

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the last trial, or until the limit."""
        if self._allowed is None:
            return super().seconds_left
        return max(0.0, self._allowed - self.seconds)

    def _numbers(self) -> str:
        return ""


def trials(console: Console, search: Search, chosen: Trial) -> None:
    """Print the best trials, and mark the best, the simplest and the chosen one."""
    settings = list(dict.fromkeys(name for t in search.complete for name in t.settings))
    columns = (*(_SHORT.get(name, name) for name in settings), search.metric, "±", "its.", "s", "")
    pruned = sum(t.pruned for t in search.trials)
    listed = table(
        f"{len(search.trials)} trials, {pruned} of them pruned; validation {search.metric} "
        "with its standard error over users",
        *columns,
        right=columns[:-1],
    )
    shown = search.complete[:_ROWS]
    shown += [t for t in (search.simplest,) if t not in shown]
    for trial in shown:
        marks = ["best"] if trial is search.best else []
        marks += ["simplest"] if trial is search.simplest else []
        marks += ["chosen"] if trial is chosen else []
        listed.add_row(
            *(_text(trial.settings.get(name, "")) for name in settings),
            f"{trial.value:.4f}",
            f"{trial.error:.4f}",
            str(trial.iterations),
            f"{trial.seconds:.0f}",
            "\n".join(marks),
        )
    console.print(listed)
    console.print(
        f"{len(shown)} of {len(search.complete)} complete trials; simplest: the simplest within one "
        "standard error of the best.",
        highlight=False,
    )


def quality(
    console: Console,
    title: str,
    validation: Validation,
    seed: int,
    min_value: float | None = None,
) -> dict[str, Any]:
    """Print and return the chosen model's quality on the test part, beside the baselines."""
    models = list(validation.judged)
    summaries = {name: validation.summaries(name, random_state=seed) for name in models}
    listed = table(title, "metric", *models, right=models)
    for metric in summaries[models[0]]:
        cells = [by_metric[metric] for by_metric in summaries.values()]
        listed.add_row(metric, *(f"{s.mean:.4f}\n\\[{s.low:.4f}, {s.high:.4f}]" for s in cells))
    console.print(listed)
    console.print("Mean over users [95 % bootstrap interval over users]", markup=False)
    judging.left_out(console, validation.not_relevant, min_value)
    return {
        "users": len(validation.user_means(models[0])[0]),
        "models": summaries,
        "not_relevant": validation.not_relevant,
        "without_history": judging.newcomers(console, validation.without_history),
    }


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


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else escape(str(value))
