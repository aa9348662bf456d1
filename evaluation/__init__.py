"""Measure how good a model is, and decide whether another model is as good.

`metrics` computes held-out quality, `protocols` holds entries out and compares models, and `tuning`
chooses settings. `verdict` and `equivalence` decide whether two models have equal quality, and `exact`
whether a solver is as good as exact ALS; `trace` and `predictions` give them their numbers. `heaviness`
and `step_forecast` tell how heavy the weights of a data set are and how many CG steps they cost.
`published` runs published settings again. `of_models` has the functions that `halfstep` itself offers,
and `scikit_learn` a scorer for that library's searches. The objective and the residuals, which audit a
fit in float64, are in `halfstep.solvers.objective`.

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
    "scorer": "scikit_learn",
    "steps_by_row": "step_forecast",
    "tune": "tuning",
    "validate": "protocols",
}
__all__ = sorted(_OFFERED)
__getattr__ = offered(__name__, _OFFERED)
