"""What data looks like: sums, distributions, a page with plots."""

from halfstep.lazy import offered

_OFFERED = {
    "describe": "summary",
    "draw_plots": "plots",
}
__all__ = sorted(_OFFERED)
__getattr__ = offered(__name__, _OFFERED)
