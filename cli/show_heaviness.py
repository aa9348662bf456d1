"""What `halfstep doctor --data` finds out, and how it says it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console
from scipy import sparse

from halfstep.evaluation.heaviness import Heaviness, Quantiles, SideHeaviness, heaviness
from halfstep.evaluation.step_forecast import ITERATIONS, StepForecast, forecast
from halfstep.solvers.fit.weights import transposed

if TYPE_CHECKING:
    from halfstep.datasets.dataset import Dataset
    from halfstep.solvers.eigenbasis import Eigenbasis

_CONVENTION = (
    "factors", "regularization", "regularization_exponent", "confidence", "alpha", "epsilon",
    "background",
)  # fmt: skip
_FEW = 0.05
_MILD = 3
_CLEARLY = 0.8  # times on a busy machine vary


@dataclass(frozen=True)
class Examination:
    """The data, the convention, what is known before any fit, and what was tried on a sample."""

    data: dict[str, Any]
    convention: dict[str, Any]
    weights: Heaviness
    users: StepForecast
    items: StepForecast
    advice: str


def examine(data: Dataset, model: Eigenbasis, matrix: sparse.csr_matrix, seed: int) -> Examination:
    """Weigh `matrix`, the data's entries as canonical CSR, and try a half-step of either side."""
    weights = heaviness(model, matrix)
    users = forecast(model, matrix, seed)
    items = forecast(model, transposed(matrix, matrix.dtype), seed)
    return Examination(
        {"name": data.name, "users": data.users, "items": data.items, "entries": data.entries},
        {name: getattr(model, name) for name in _CONVENTION},
        weights,
        users,
        items,
        advise(users, items),
    )


def advise(users: StepForecast, items: StepForecast) -> str:
    """Say in one line what to do about weights as heavy as these."""
    both = (users, items)
    if sum(side.seconds_exact for side in both) < _CLEARLY * sum(side.seconds for side in both):
        return "exact half-steps would be cheaper: exact=True"
    if any(side.unsolved > _FEW * side.rows for side in both):
        return f"many rows would end at {users.most} steps: a higher cg_max_steps, or exact=True"
    slowest = max(side.steps_99 for side in both)
    if slowest <= _MILD:
        return f"mild: 99 % of the rows are done after {slowest} steps"
    return (
        f"heavy: rows take up to {slowest} steps (99 %); two fixed ones would leave "
        f"{users.beyond_two:.0%} of the users and {items.beyond_two:.0%} of the items short, "
        f"the default takes what each row needs"
    )


def show(console: Console, found: Examination) -> None:
    """Print the examination in a few lines."""
    for line in lines(found):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def lines(found: Examination) -> Iterator[str]:
    """Yield what is printed."""
    data, weights = found.data, found.weights
    yield (
        f"{data['name']}: {data['users']:,} users x {data['items']:,} items, "
        f"{data['entries']:,} entries"
    )
    yield ", ".join(f"{k} {v:g}" if isinstance(v, float) else f"{k} {v}"
                    for k, v in found.convention.items() if v is not None)  # fmt: skip
    negative = f"; {weights.negative:.2%} are negative" if weights.negative else ""
    yield (
        f"excess weight w of an entry, others weigh {weights.background:g}: "
        f"{_said(weights.excess)}{negative}"
    )
    for name, side, tried in (
        ("users", weights.users, found.users),
        ("items", weights.items, found.items),
    ):
        yield f"{name}: sum of w of a row: {_said(side.total)}"
        yield f"  before any fit: {_provable(side)}"
        yield f"  {_tried(tried)}"
    yield found.advice


def _said(q: Quantiles) -> str:
    return f"median {_number(q.median)}, 99 % {_number(q.upper)}, largest {_number(q.largest)}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _provable(side: SideHeaviness) -> str:
    if side.limit is None:
        return "no bound, since the rows share no background"
    return (
        f"two steps provably suffice for {side.within_two:.1%} of {side.rows:,} rows "
        f"(no w above {side.limit:.3g}), {side.most} for {side.within_most:.1%}"
    )


def _tried(tried: StepForecast) -> str:
    rows = f"all {tried.rows:,}" if tried.rows == tried.of else f"{tried.rows:,} of {tried.of:,}"
    steps = "all rows are so short that they are solved exactly"
    if tried.steps_99:
        ends = f", {tried.unsolved:,} end at {tried.most} unsolved" if tried.unsolved else ""
        completed = f", {tried.completed:,} are then solved exactly" if tried.completed else ""
        steps = (
            f"{tried.mean_steps:.1f} steps a row, 99 % at most {tried.steps_99}, "
            f"{tried.beyond_two:.1%} of the rows more than two{completed}{ends}"
        )
    return (
        f"tried on {rows} rows, {tried.entries:,} entries, after {ITERATIONS} iterations: "
        f"w times leverage {_said(tried.pull)}; {steps}; "
        f"exact half-step {tried.seconds_exact / tried.seconds:.1f} times the time"
    )
