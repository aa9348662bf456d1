"""The cells of the suite `quality`, and the bars that each must reach.

A cell is one data set, one weighting and one f. Weightings differ in what they demand of a solver: with
mild weights (logarithms of counts) every row is nearly solved after two CG steps; with raw play counts a
fit that takes the same number of steps for all rows ends far above exact ALS and ranks worse.
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
# For the whole suite; `halfstep.bench.quality.run` says what is cut where they are too few.
SECONDS = 25 * 60
GENERATED = ("music-small", "music-medium", "plays-medium")
_ENTRIES = {  # rounded; a cell's share of the time depends on them
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
    """One weighting of one data set, with its bars; None for no bar.

    Attributes
    ----------
    convention
        The arguments of the weighting.
    fit_time
        Upper limit of a fit's time over the time of exact ALS.
    sooner
        Lower limit of implicit's time to the target over ours, at the sizes `sooner_at`.
    objective
        Upper limit of the objective over that of exact ALS with over-relaxation.
    ndcg
        Lower limit of NDCG@10 over that of exact ALS with over-relaxation: of the interval's lower end.
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
    """A cell that is to be run."""

    weighting: Weighting
    factors: int

    @property
    def name(self) -> str:
        """The cell's name, which `--cells` matches."""
        return f"{self.weighting.data}, {self.weighting.name}, f = {self.factors}"

    @property
    def seconds(self) -> float:
        """The seconds that the whole cell needs; its share of the suite's time is in proportion."""
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
        The settings choose no cell.
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
    """Return the name or path of a data set, and the reason why it is left out, or None."""
    if data in GENERATED:
        return data, None
    root = settings.data_folder or os.environ.get("HALFSTEP_DATA")
    if not root:
        return data, "real data: name the folder that holds it, --data-folder or HALFSTEP_DATA"
    folder = Path(root) / data
    return str(folder), None if folder.is_dir() else f"no folder {data} among the real data"


def shares(cells: list[Planned]) -> Iterator[tuple[Planned, float]]:
    """Yield each cell with its share of the time that is left for it and all cells after it."""
    for number, cell in enumerate(cells):
        yield cell, cell.seconds / sum(later.seconds for later in cells[number:])


def _matches(name: str, pattern: str | None) -> bool:
    return pattern is None or pattern in name or fnmatch.fnmatchcase(name, pattern)
