"""Held-out quality: `held_out` is where to begin, `sampled` where the catalogue is too large to rank.

`ranking` counts on the CPU and `ranking_gpu` on a card what `held_out` adds up; `auc` is exact or
sampled; `activity` shows whom a mean hides, `intervals` how sure a difference is.
"""

from halfstep.lazy import offered

_OFFERED = {
    "Evaluation": "held_out",
    "evaluate": "held_out",
}
__all__ = sorted(_OFFERED)
__getattr__ = offered(__name__, _OFFERED)
