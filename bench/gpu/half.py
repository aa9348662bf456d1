"""What it costs to store the fixed side in float16 or bfloat16: whole fits from one start.

Measured are the float64 objective after ten iterations, and NDCG@10 of held-out items over the whole
catalogue: the mean over users of its difference from float32 storage, with the standard error. A fit
from another start shows how much a number moves by chance. The data have tastes: on popularity alone
every storage would give the same ranking.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from halfstep.bench.gpu.queries import held_out
from halfstep.bench.gpu.shapes import SHAPES, generate
from halfstep.errors import NumericalWarning
from halfstep.evaluation.metrics.held_out import evaluate
from halfstep.evaluation.trace import factors_of
from halfstep.solvers import SOLVERS
from halfstep.solvers.gpu.cg_7_half import MARGIN

_TASTES = 20
# (storage, rung, settings)
_FITS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("float32", "gpu_cg_6_split", {}),
    ("float16", "gpu_cg_7_half", {"storage": "float16"}),
    ("bfloat16", "gpu_cg_7_half", {"storage": "bfloat16"}),
    ("float32, another start", "gpu_cg_6_split", {"random_state": 1}),
)


def cost(shape: str, factors: int, iterations: int, seconds: float) -> dict[str, Any]:
    """Return a row for each storage: objective and NDCG@10, and how far they are from float32's.

    Parameters
    ----------
    seconds
        About how long all fits may take.
    """
    began = time.perf_counter()
    train, test = held_out(generate(replace(SHAPES[shape], tastes=_TASTES)))
    rows: list[dict[str, Any]] = []
    scores = []
    for storage, name, more in _FITS:
        row: dict[str, Any] = {"storage": storage, "cannot_run": None}
        rows.append(row)
        if time.perf_counter() - began > 0.8 * seconds:
            row["cannot_run"] = "left out: out of time"
            continue
        settings: dict[str, Any] = {"random_state": 0, **more}
        solver: Any = SOLVERS[name]
        model = solver(
            factors=factors, iterations=iterations, calculate_training_loss=True,
            confidence="log", regularization=20.0, **settings,
        )  # fmt: skip
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", NumericalWarning)
            model.fit(train, show_progress=False)
        found = evaluate(*factors_of(model), train, test, ks=(10,), auc=False, device="gpu")
        scores.append(found.per_user["ndcg@10"])
        row |= {
            "objective": model.loss_history_[-1],
            "ndcg": float(scores[-1].mean()),
            "refused": any(issubclass(each.category, NumericalWarning) for each in caught),
            "objective_cost": model.loss_history_[-1] / rows[0].get("objective", np.nan) - 1,
        }
        difference = scores[-1] - scores[0]
        row["ndcg_difference"] = float(difference.mean())
        row["ndcg_standard_error"] = float(difference.std() / max(1, len(difference)) ** 0.5)
    return {
        "shape": shape,
        "tastes": _TASTES,
        "entries": int(train.nnz),
        "users": len(scores[0]) if scores else 0,
        "factors": factors,
        "iterations": iterations,
        "margin": MARGIN,
        "rows": rows,
    }
