"""Describe a data set: sizes, distributions, the long tail and the top, in JSON, plots and a page."""

from halfstep.lazy import offered

_OFFERED = {
    "describe": "summary",
    "draw_plots": "plots",
}
__all__ = sorted(_OFFERED)
__getattr__ = offered(__name__, _OFFERED)
