"""Show a search for parameters: its progress, the trials, and the final quality."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from halfstep.cli import judging
from halfstep.cli.show import table
from halfstep.plural import counted
from halfstep.progress import task_bar
from halfstep.progress_task import Task

if TYPE_CHECKING:
    from halfstep.evaluation.protocols.validation import Validation
    from halfstep.evaluation.tuning.search import Search
    from halfstep.evaluation.tuning.store import Trial

_ROWS = 12
_SHORT = {
    "confidence": "weights",
    "regularization": "lambda",
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


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else escape(str(value))
