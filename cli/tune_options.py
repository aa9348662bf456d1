"""What the options of `halfstep tune` say: times, and lists of numbers."""

from __future__ import annotations

import re

from halfstep.errors import InputError

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def seconds_of(text: str) -> float:
    """Return the seconds of `90s`, `20m`, `1.5h` or a bare number of seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip())
    if not match or float(match[1]) <= 0:
        raise InputError(f"--budget must be a time like 90s, 20m or 1h, got {text!r}")
    return float(match[1]) * _UNITS[match[2] or "s"]


def numbers(name: str, text: str) -> tuple[float, ...]:
    """Return the numbers of a comma-separated option; the numbers of `factors` are integers."""
    kind = int if name == "factors" else float
    try:
        return tuple(kind(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"--{name} must be numbers separated by commas, got {text!r}") from None
