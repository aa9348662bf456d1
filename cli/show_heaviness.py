"""`halfstep doctor --data`: examine the weights of a data set, and print the result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console
from scipy import sparse

from halfstep.cli.show_hint import hint_of
from halfstep.defaults import BM25_B, BM25_K1
from halfstep.evaluation.heaviness import Heaviness, Quantiles, SideHeaviness, heaviness
from halfstep.evaluation.step_forecast import ITERATIONS, StepForecast, forecast
from halfstep.plural import counted
from halfstep.solvers.eigenbasis import Eigenbasis
from halfstep.solvers.fit.weighing import transform_of, transformed_by
from halfstep.solvers.fit.weights import transposed

if TYPE_CHECKING:
    from halfstep.datasets.dataset import Dataset

_CONVENTION = (
    "factors", "regularization", "regularization_exponent", "confidence", "alpha", "epsilon",
    "background", "transform",
)  # fmt: skip
_PLAIN = {"transform": None, "bm25_k1": BM25_K1, "bm25_b": BM25_B}
_FEW = 0.05  # share of unsolved rows that needs no advice
_MILD = 3  # steps
_CLEARLY = 0.8  # exact half-steps must take less than this share of the time: times vary


@dataclass(frozen=True)
class Examination:
    """The data, the settings, the bounds known before a fit, the trial on a sample, hint and advice."""

    data: dict[str, Any]
    convention: dict[str, Any]
    weights: Heaviness
    users: StepForecast
    items: StepForecast
    hint: str | None
    advice: str


def examine(data: Dataset, model: Eigenbasis, matrix: sparse.csr_matrix, seed: int) -> Examination:
    """Examine `matrix`, the data's entries as canonical CSR, and try a half-step of each side."""
    hint = hint_of(model, matrix)
    convention = {name: getattr(model, name) for name in _CONVENTION}
    # The sample of the trial is transformed as the whole is, not by its own sums and counts.
    matrix = transformed_by(model, matrix, transform_of(model, matrix))
    model = Eigenbasis(**{**model.get_params(), **_PLAIN})
    weights = heaviness(model, matrix)
    users = forecast(model, matrix, seed)
    items = forecast(model, transposed(matrix, matrix.dtype), seed)
    return Examination(
        {"name": data.name, "users": data.users, "items": data.items, "entries": data.entries},
        convention,
        weights,
        users,
        items,
        hint,
        advise(users, items),
    )


def advise(users: StepForecast, items: StepForecast) -> str:
    """Return one line that says what to do about the weights."""
    both = (users, items)
    if sum(side.seconds_exact for side in both) < _CLEARLY * sum(side.seconds for side in both):
        return "exact half-steps would be cheaper: set exact=True"
    if any(side.unsolved > _FEW * side.rows for side in both):
        return (
            f"many rows would end unsolved after {users.most} steps: set a higher cg_max_steps, or "
            "exact=True"
        )
    slowest = max(side.steps_99 for side in both)
    if slowest <= _MILD:
        return f"mild: 99 % of the rows are done after {slowest} steps"
    return (
        f"heavy: 99 % of the rows are done after {slowest} steps; two fixed steps would leave "
        f"{users.beyond_two:.0%} of the users and {items.beyond_two:.0%} of the items unsolved, "
        f"the default takes as many as each row needs"
    )


def show(console: Console, examination: Examination) -> None:
    """Print the examination in a few lines."""
    for line in lines(examination):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def lines(examination: Examination) -> Iterator[str]:
    """Yield the lines that `show` prints."""
    data, weights = examination.data, examination.weights
    yield (
        f"{data['name']}: {counted(data['users'], 'users')} x {counted(data['items'], 'items')}, "
        f"{counted(data['entries'], 'entries')}"
    )
    yield ", ".join(f"{k} {v:g}" if isinstance(v, float) else f"{k} {v}"
                    for k, v in examination.convention.items() if v is not None)  # fmt: skip
    negative = f"; {weights.negative:.2%} are negative" if weights.negative else ""
    yield (
        f"excess weight w of a stored entry (pairs not stored weigh {weights.background:g}): "
        f"{_quantiles(weights.excess)}{negative}"
    )
    for name, side, tried in (
        ("users", weights.users, examination.users),
        ("items", weights.items, examination.items),
    ):
        yield f"{name}: sum of w over a row: {_quantiles(side.total)}"
        yield f"  before any fit: {_provable(side)}"
        yield f"  {_tried(tried)}"
    if examination.hint is not None:
        yield f"Hint: {examination.hint}."
    yield examination.advice


def _quantiles(q: Quantiles) -> str:
    return f"median {_number(q.median)}, 99 % {_number(q.upper)}, largest {_number(q.largest)}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _provable(side: SideHeaviness) -> str:
    if side.limit is None:
        return "no bound, because pairs that are not stored have no weight"
    return (
        f"two steps provably suffice for {side.within_two:.1%} of {side.rows:,} rows "
        f"(no w above {side.limit:.3g}), {side.most} for {side.within_most:.1%}"
    )


def _tried(tried: StepForecast) -> str:
    rows = f"all {tried.rows:,}" if tried.rows == tried.of else f"{tried.rows:,} of {tried.of:,}"
    steps = "all rows have so few entries that they are solved exactly"
    if tried.steps_99:
        ends = f", {tried.unsolved:,} end unsolved after {tried.most}" if tried.unsolved else ""
        completed = f", {tried.completed:,} are then solved exactly" if tried.completed else ""
        steps = (
            f"{tried.mean_steps:.1f} steps per row, 99 % take at most {tried.steps_99}, "
            f"{tried.beyond_two:.1%} take more than two{completed}{ends}"
        )
    return (
        f"tried on {rows} rows, {tried.entries:,} entries, after {ITERATIONS} iterations: "
        f"w times leverage {_quantiles(tried.pull)}; {steps}; "
        f"an exact half-step takes {tried.seconds_exact / tried.seconds:.1f} times as long"
    )
