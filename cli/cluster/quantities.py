"""Quantities on the command line: counts such as 1e9, bytes such as 256GB, rates such as 25Gb/s."""

from __future__ import annotations

import re

from halfstep.errors import InputError

_PREFIXES = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_BINARY = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}
_NUMBER = r"(\d+(?:\.\d*)?(?:[eE][+-]?\d{1,3})?)"


def count_of(option: str, text: str) -> int:
    """Return the integer of `1e9` or `1000000000`, or raise InputError."""
    match = re.fullmatch(_NUMBER, text.strip(), re.ASCII)
    value = float(match[1]) if match else 0.0
    if not 1 <= value <= 1e18 or not value.is_integer():
        raise InputError(f"{option} must be a whole number from 1 to 1e18 like 1e9, got {text!r}")
    return int(value)


def bytes_of(option: str, text: str) -> float:
    """Return the bytes of `256GB` or `128GiB`, or raise InputError."""
    match = re.fullmatch(rf"{_NUMBER} ?([kKMGT]?i?)B?", text.strip(), re.ASCII)
    factors = {**_PREFIXES, **_BINARY}
    if not match or match[2] not in factors or not 0 < float(match[1]) * factors[match[2]] < 1e21:
        raise InputError(f"{option} must be a size like 256GB or 128GiB, got {text!r}")
    return float(match[1]) * factors[match[2]]


def rate_of(option: str, text: str) -> float:
    """Return the bytes a second of "25Gb/s" (bits) or "3GB/s" (bytes), or raise InputError."""
    match = re.fullmatch(rf"{_NUMBER} ?([kKMGT]?)(b|bit|B)/s", text.strip(), re.ASCII)
    value = float(match[1]) * _PREFIXES[match[2]] / (1 if match[3] == "B" else 8) if match else 0.0
    if not 0 < value < 1e21:
        raise InputError(f"{option} must be a rate like 25Gb/s or 3GB/s, got {text!r}")
    return value
