"""Hold entries out, and compare models on them.

`split` divides a matrix into train and test, `own_split` takes the split that data come with, and
`partitions` has ten protocols by name. `validation` fits and evaluates models by a protocol, beside
`baselines`, the scores that every model must beat. `early_stopping` ends a fit by held-out quality, and
`curve_plot` draws a split-ratio curve.
"""

from halfstep.lazy import offered

_OFFERED = {
    "leave_one_out": "split",
    "parts_of": "partitions",
    "per_user": "split",
    "random_rows": "split",
    "validate": "validation",
}
__all__ = sorted(_OFFERED)
__getattr__ = offered(__name__, _OFFERED)
