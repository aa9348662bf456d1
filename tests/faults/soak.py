"""The same test with a few rounds by default and with hundreds in `make soak`, and the count of all.

A fault test calls `tally` for every round. Where SOAK_RECORD names a file, the counts are written
there when the session ends; `tests/faults/reliability.py` makes docs/reliability.md of it. SOAK_SHARE
scales the hundreds: CI runs a small share of them.
"""

import json
import os
from collections import Counter
from pathlib import Path

import pytest

SHARE = float(os.environ.get("SOAK_SHARE") or 1)
_COUNTS = Counter()
_WORST = {}


def few_or_many(few, many):
    """Parametrize a test by `rounds`: `few` by default, `many` (times the share) under the marker."""
    return pytest.mark.parametrize(
        "rounds",
        [
            pytest.param(few, id="few"),
            pytest.param(max(1, round(many * SHARE)), id="many", marks=pytest.mark.soak),
        ],
    )


def tally(section, fault, outcome, rounds=1):
    """Count rounds of a fault that came to the same outcome."""
    _COUNTS[section, fault, outcome] += rounds


def worst(section, what, value, limit):
    """Remember the largest of a measured quantity, and the limit that the test held it to."""
    _WORST[section, what] = (max(value, _WORST.get((section, what), (value, 0))[0]), limit)


def write_record():
    """Write the counts as JSON to the file that SOAK_RECORD names, if it does."""
    path = os.environ.get("SOAK_RECORD")
    if not path:
        return
    record = {
        "share": SHARE,
        "counts": [[*key, rounds] for key, rounds in sorted(_COUNTS.items())],
        "worst": [[*key, *values] for key, values in sorted(_WORST.items())],
    }
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps(record, indent=1) + "\n")
