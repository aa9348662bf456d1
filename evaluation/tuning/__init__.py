"""Settings chosen by held-out quality: `search` is where to begin, `space` says what is tried.

`trial` is one fit and its judgement, `budget` shares out the time, `store` keeps trials on disk.
"""

from halfstep.lazy import offered

_OFFERED = {
    "Choice": "space",
    "LAB_GRID": "space",
    "LogUniform": "space",
    "Search": "search",
    "Tuner": "trial",
    "plot_search": "plot",
    "tune": "search",
}
__all__ = sorted(_OFFERED)
__getattr__ = offered(__name__, _OFFERED)
