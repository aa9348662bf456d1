"""The Audioscrobbler dump: its three files, its aliases, what to leave out, where to get it."""

from halfstep.lazy import offered

_OFFERED = {
    "Filters": "filters",
    "read_audioscrobbler": "read",
}
__all__ = sorted(_OFFERED)
__getattr__ = offered(__name__, _OFFERED)
