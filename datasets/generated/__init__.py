"""Data generated from a seed: play counts like the Audioscrobbler dump's, and the dump's files."""

from halfstep.lazy import offered

_OFFERED = {
    "TAIL": "presets",
    "generate_dump": "dump",
    "generate_music": "presets",
}
__all__ = sorted(_OFFERED)
__getattr__ = offered(__name__, _OFFERED)
