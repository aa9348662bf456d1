"""Is a GPU rung as good as the CPU's default solver? By objective, and by the ranking of held-out items.

Each rung fits by its defaults from the CPU's start, on mild counts and on raw ones. On raw counts a
residual says little, and a rung that takes a fixed number of steps ends above the rule's objective by
design: for it the figures are recorded, and only a rung that ends rows by the rule is judged by them. On
mild counts every rung also fits with steps that solve every row to rounding, beside the exact CPU rung.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from halfstep.bench.gpu.plan import CPU, rounds
from halfstep.bench.gpu.queries import held_out
from halfstep.bench.gpu.shapes import SHAPES, generate
from halfstep.evaluation.metrics.held_out import evaluate
from halfstep.evaluation.trace import factors_of
from halfstep.solvers import SOLVERS
from halfstep.solvers.fit.start import starting_factors

# How far the objective of solved rows may be from that of the CPU's exact rung: for float32's rounding
# over ten iterations, and for float16's of the fixed side.
WITHIN, WITHIN_ROUNDED = 1e-5, 1e-4
# How much higher the objective may be than the CPU's by its rule: the device has a looser bound on what
# a row leaves, and the thetas that go with it.
HIGHER = 0.01
# How much lower NDCG@10 may be: this share of it, and two standard errors of the difference.
LOWER, ERRORS = 0.005, 2.0
ITERATIONS = 10
_STEPS = {"cg_steps": 40}


def within(name: str) -> float:
    """Return how far the objective may be, relative, of a solver whose rows are solved alike."""
    return WITHIN_ROUNDED if rounds(name) else WITHIN


def reference(shape: str, factors: int, file: Path) -> dict[str, Any]:
    """Fit the CPU's default and its exact rung, keep in `file` what `parity` compares with."""
    train, test = held_out(generate(SHAPES[shape]))
    found: dict[str, Any] = {"shape": shape, "factors": factors}
    kept: dict[str, Any] = {}
    for name, more in (("default", {}), ("exact", {"exact": True})):
        model, ndcg = _fit(CPU, shape, factors, train, test, more)
        kept |= {f"{name}_objective": model.loss_history_[-1], f"{name}_ndcg": ndcg}
        found |= {f"{name}_objective": model.loss_history_[-1], f"{name}_ndcg": float(ndcg.mean())}
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez(file, **kept)
    return found


def parity(name: str, shape: str, factors: int, file: Path) -> dict[str, Any]:
    """Compare a rung with what `reference` has kept.

    Returns
    -------
    `objective_ratio` and `ndcg_difference` (with its standard error over users) against the CPU's
    default, and `relative_gap` of solved rows against the exact rung, on mild counts only; `judged` says
    whether the first two decide, and `equal` whether all that decide are within their margins.
    """
    with np.load(file) as kept:
        expected = {key: kept[key] for key in kept.files}
    train, test = held_out(generate(SHAPES[shape]))
    model, ndcg = _fit(name, shape, factors, train, test, {})
    ratio = model.loss_history_[-1] / float(expected["default_objective"])
    apart = ndcg - expected["default_ndcg"]
    error = float(apart.std() / max(1, len(apart)) ** 0.5)
    least = -(LOWER * float(expected["default_ndcg"].mean()) + ERRORS * error)
    judged = hasattr(model, "cg_tolerance")
    good = bool(ratio <= 1 + HIGHER and apart.mean() >= least)
    found: dict[str, Any] = {
        "solver": name, "shape": shape, "factors": factors, "objective_ratio": ratio,
        "ndcg": float(ndcg.mean()), "ndcg_difference": float(apart.mean()),
        "ndcg_standard_error": error, "judged": judged, "relative_gap": None, "within": None,
    }  # fmt: skip
    exact_only = SOLVERS[name].exact_only
    if not SHAPES[shape].tail:
        if not exact_only:
            model, _ = _fit(name, shape, factors, train, test, _STEPS)
        exact = float(expected["exact_objective"])
        found["within"] = within(name)
        found["relative_gap"] = abs(model.loss_history_[-1] - exact) / exact
    solved = found["relative_gap"] is None or found["relative_gap"] < found["within"]
    return {**found, "equal": bool(solved and (good or not judged))}


def _fit(
    name: str, shape: str, factors: int, train: Any, test: Any, more: dict[str, Any]
) -> tuple[Any, Any]:
    """Return the fitted model and each user's NDCG@10, which the CPU calculates."""
    start = starting_factors(None, train.shape, factors, np.float32, 0)
    # Over-relaxed steps and exact ones go through other factors: solved rows are compared without it.
    relaxed = {"relaxation": 1.0} if more and hasattr(SOLVERS[name], "relaxation") else {}
    solver: Any = SOLVERS[name]
    model = solver(
        factors=factors, init_factors=start, iterations=ITERATIONS, calculate_training_loss=True,
        **SHAPES[shape].convention, **more, **relaxed,
    ).fit(train, show_progress=False)  # fmt: skip
    found = evaluate(*factors_of(model), train, test, ks=(10,), auc=False)
    return model, np.asarray(found.per_user["ndcg@10"])
