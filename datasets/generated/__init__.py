"""Data from nothing but a seed: listeners and artists as in the real dump, and its files."""

from halfstep.lazy import offered

_OFFERED = {
    "TAIL": "presets",
    "generate_dump": "dump",
    "generate_music": "presets",
}
__all__ = sorted(_OFFERED)
__getattr__ = offered(__name__, _OFFERED)
