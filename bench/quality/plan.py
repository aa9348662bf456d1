"""The suite `quality`: data x weighting x size, and what each cell must reach.

Mild weights (logarithms of counts, stored or not) and play counts as they are ask different things of a
solver: in the first every row is nearly solved after two steps, in the second a fit that treats all rows
alike ends far above exact ALS and ranks worse. A cell is one data set, one weighting, one f.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from halfstep.bench.settings import MILD, RAW, BenchSettings
from halfstep.errors import InputError

FACTORS = (32, 64, 128)
SEEDS = 3
# For the whole suite; what is cut where it does not do, `halfstep.bench.quality.run` says.
SECONDS = 25 * 60
GENERATED = ("music-small", "music-medium", "plays-medium")
_ENTRIES = {  # about so many, for the shares of the time
    "hetrec2011-lastfm-2k": 93_000,
    "audioscrobbler_small": 49_000,
    "gowalla": 1_027_000,
    "ncf-ml-1m": 1_000_000,
    "music-small": 100_000,
    "music-medium": 5_000_000,
    "plays-medium": 5_000_000,
}


@dataclass(frozen=True)
class Weighting:
    """One convention on one data set, and its bars; None for no bar.

    Attributes
    ----------
    fit_time
        At most this, a fit's time over exact ALS's.
    sooner
        At least this many times sooner to the target than implicit, at the sizes `sooner_at`.
    objective
        At most this, the objective over that of exact ALS over-relaxed.
    ndcg
        At least this, the lower end of NDCG@10 over that of exact ALS over-relaxed.
    """

    data: str
    name: str
    convention: dict[str, Any]
    fit_time: float | None = None
    sooner: float | None = None
    sooner_at: tuple[int, ...] = FACTORS
    objective: float = 1.01
    ndcg: float = 0.985


@dataclass(frozen=True)
class Planned:
    """A cell to be run."""

    weighting: Weighting
    factors: int

    @property
    def name(self) -> str:
        """What the cell is called."""
        return f"{self.weighting.data}, {self.weighting.name}, f = {self.factors}"

    @property
    def seconds(self) -> float:
        """Its part of the suite's time, where nothing is short."""
        millions = _ENTRIES.get(self.weighting.data, 100_000) / 1e6
        return 15 + millions * (8 + 0.18 * self.factors + 0.0016 * self.factors**2)


def _convention(confidence: str, regularization: float, **others: Any) -> dict[str, Any]:
    return {"confidence": confidence, "regularization": regularization, **others}


def _raw(data: str, **bars: Any) -> Weighting:
    return Weighting(data, "raw", _convention(*RAW), **{"fit_time": 0.75, "sooner": 2.0} | bars)


_HETREC, _NCF = "hetrec2011-lastfm-2k", "ncf-ml-1m"
_LOG = _convention(*MILD)
WEIGHTINGS = (
    *(
        Weighting(_HETREC, f"raw alpha {alpha}", _convention(*RAW, alpha=alpha), 0.75, 2.0)
        for alpha in (1, 10, 40)
    ),
    Weighting(_HETREC, "log", _LOG, fit_time=0.6),
    Weighting(_HETREC, "linear", _convention("linear", RAW[1]), 0.75, 2.0),
    _raw("audioscrobbler_small", fit_time=1.0, objective=1.05),
    Weighting("music-small", "log", _LOG),
    _raw("music-small"),
    Weighting("gowalla", "log", _LOG, 0.4, 5.0, (64, 128)),
    Weighting(
        _NCF,
        "explicit",
        _convention("explicit", 0.05, regularization_exponent=1.0),
        fit_time=1.0,
    ),
    Weighting(
        _NCF,
        "binary",
        _convention("binary", 0.007, regularization_exponent=1.0, background=0.3),
    ),
    Weighting("music-medium", "log", _LOG, 0.4, 5.0, (64, 128)),
    _raw("plays-medium"),
)


def planned(settings: BenchSettings) -> list[Planned]:
    """Return the cells that the settings choose, the larger data last.

    Raises
    ------
    InputError
        They choose none.
    """
    cells = [Planned(w, f) for w in WEIGHTINGS for f in settings.factors or FACTORS]
    if settings.data is not None:
        cells = [cell for cell in cells if cell.weighting.data == settings.data]
    chosen = [cell for cell in cells if _matches(cell.name, settings.cells)]
    if not chosen:
        names = "; ".join(cell.name for cell in cells) or "no data of the suite"
        raise InputError(f"cells must match one of the suite's, got {settings.cells!r}: {names}")
    return chosen


def source(data: str, settings: BenchSettings) -> tuple[str, str | None]:
    """Return where a data set is, and why it is left out, or None."""
    if data in GENERATED:
        return data, None
    root = settings.data_folder or os.environ.get("HALFSTEP_DATA")
    if not root:
        return data, "real data: name the folder that holds it, --data-folder or HALFSTEP_DATA"
    folder = Path(root) / data
    return str(folder), None if folder.is_dir() else f"no folder {data} among the real data"


def shares(cells: list[Planned]) -> Iterator[tuple[Planned, float]]:
    """Yield each cell with its part of what all from it on have together."""
    for number, cell in enumerate(cells):
        yield cell, cell.seconds / sum(later.seconds for later in cells[number:])


def _matches(name: str, pattern: str | None) -> bool:
    return pattern is None or pattern in name or fnmatch.fnmatchcase(name, pattern)
