"""How good a model is, and whether another is as good.

`metrics` measures held-out quality, `protocols` holds entries out and compares models, `tuning` chooses
settings. `verdict` and `equivalence` say whether two models are of equal quality, `exact` whether a
solver is as good as exact ALS; `heaviness` and `step_forecast` say how heavy the weights of data are and
what that costs; `published` runs published settings again. The objective and the residuals, which
audit a fit in float64, are in `halfstep.solvers.objective`.

The names below can be imported from here.
"""

from halfstep.lazy import offered

_OFFERED = {
    "Choice": "tuning",
    "Evaluation": "metrics",
    "LAB_GRID": "tuning",
    "LogUniform": "tuning",
    "Search": "tuning",
    "Tuner": "tuning",
    "evaluate": "metrics",
    "leave_one_out": "protocols",
    "parts_of": "protocols",
    "per_user": "protocols",
    "plot_search": "tuning",
    "random_rows": "protocols",
    "steps_by_row": "step_forecast",
    "tune": "tuning",
    "validate": "protocols",
}
__all__ = sorted(_OFFERED)
__getattr__ = offered(__name__, _OFFERED)
