"""How entries are held out and models put beside each other: `split`, `parts`, `validation`.

`early_stopping` watches held-out quality during a fit, `baselines` are what any model must beat.
"""

from halfstep.lazy import offered

_OFFERED = {
    "leave_one_out": "split",
    "parts_of": "parts",
    "per_user": "split",
    "random_rows": "split",
    "validate": "validation",
}
__all__ = sorted(_OFFERED)
__getattr__ = offered(__name__, _OFFERED)
