"""The Audioscrobbler dump: find or download its files, read them, resolve aliases, filter plays."""

from halfstep.lazy import offered

_OFFERED = {
    "Filters": "filters",
    "read_audioscrobbler": "read",
}
__all__ = sorted(_OFFERED)
__getattr__ = offered(__name__, _OFFERED)
