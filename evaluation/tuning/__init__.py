"""Choose settings by held-out quality. Begin with `search`, which runs the trials.

`space` says what a search may try, `trial` fits and evaluates one configuration, and `store` keeps
trials on disk. `budget` is the default search, which divides a given time between searches with more
and more factors. `plot` draws a search.
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
