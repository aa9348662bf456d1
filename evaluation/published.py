"""Published results of implicit ALS, as settings that a command can run again.

MovieLens-1M in the leave-one-out split of He et al. 2017 ("Neural Collaborative Filtering"): every
rating is a positive, and each user's last one is held out and ranked among itself and 99 items that the
user has not rated. The rows are iALS in Dacrema et al. (TOIS 2021), and single runs of the code of
Rendle, Krichene, Zhang and Koren (2021); popularity checks the evaluator. Another random start and
another order of summation move the metrics by up to 0.006, which is about their standard error over
6,040 users.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from halfstep.datasets.dataset import Dataset
from halfstep.errors import InputError
from halfstep.evaluation.metrics.sampled import rank_among_negatives
from halfstep.evaluation.trace import factors_of
from halfstep.progress import stage, wanted
from halfstep.solvers import SOLVERS, make
from halfstep.solvers.base import Solver
from halfstep.solvers.fit.start import generator
from halfstep.types import Floats

TOLERANCE = 0.006


@dataclass(frozen=True)
class Published:
    """One published row: the reported metrics and the settings that they were reported for.

    `start` is the distribution of the item factors' start, and its standard deviation (normal) or width
    (uniform) times sqrt(factors).
    """

    source: str
    hit_rate: float
    ndcg: float
    start: tuple[str, float] = ("normal", 0.1)
    settings: dict[str, Any] = field(default_factory=dict)


def _google(factors: int, hit_rate: float, ndcg: float) -> Published:
    return Published(
        source=f"Rendle et al., f = {factors}",
        hit_rate=hit_rate,
        ndcg=ndcg,
        settings={
            "factors": factors,
            "confidence": "binary",
            "background": 0.3,
            "regularization": 0.007,
            "regularization_exponent": 1.0,
            "iterations": 12,
        },
    )


NCF_ML_1M = (
    Published(
        source="Dacrema et al., f = 46",
        hit_rate=0.7109,
        ndcg=0.4382,
        start=("uniform", 1.0),
        settings={
            "factors": 46,
            "confidence": "log",
            "alpha": 50.0,
            "epsilon": 10.0,
            "regularization": 1e-5,
            "iterations": 10,
        },
    ),
    _google(32, 0.7003, 0.4257),
    _google(64, 0.7217, 0.4444),
    _google(128, 0.7318, 0.4531),
    _google(192, 0.7280, 0.4524),
)
POPULARITY = Published(source="popularity", hit_rate=0.4538, ndcg=0.2545)
PRESETS = {"ncf-ml-1m": NCF_ML_1M}


@dataclass(frozen=True)
class Reproduction:
    """A published row and the metrics of a run here."""

    published: Published
    solver: str
    hit_rate: float
    ndcg: float

    @property
    def agrees(self) -> bool:
        """Whether both metrics are within `TOLERANCE` of the published ones."""
        p = self.published
        return max(abs(self.hit_rate - p.hit_rate), abs(self.ndcg - p.ndcg)) <= TOLERANCE


def reproduce(
    preset: str, data: Dataset, *, solver: str = "eigenbasis", seed: int = 0, num_threads: int = 0
) -> Iterator[Reproduction]:
    """Run popularity and each published row of a preset on `data`, and yield the results.

    Parameters
    ----------
    data
        The data set that the preset was published for, with its held-out item and negatives.
    solver
        `"eigenbasis"` solves exactly here, as the papers do.

    Raises
    ------
    InputError
        The preset is unknown, or `data` has no held-out part or no negatives.
    """
    if preset not in PRESETS:
        raise InputError(f"preset must be one of {', '.join(PRESETS)}, got {preset!r}")
    if data.test is None or data.negatives is None:
        raise InputError(f"data must have a test item and negatives per user, got {data.name}")
    train = data.interactions.copy()
    train.data[:] = 1
    popularity = SOLVERS["popularity"](factors=1).fit(train, show_progress=False)
    with stage("ranking by popularity"):
        ranked = _ranked(POPULARITY, popularity, data)
    yield ranked
    for published in PRESETS[preset]:
        factors = published.settings["factors"]
        exact: dict[str, Any] = {"exact": True} if solver == "eigenbasis" else {}
        model = make(
            solver,
            **exact,
            init_factors=_start(published, train.shape, factors, seed),
            num_threads=num_threads,
            **published.settings,
        ).fit(train, show_progress=wanted())
        with stage(f"ranking by {published.source}"):
            ranked = _ranked(published, model, data)
        yield ranked


def _start(
    published: Published, shape: tuple[int, int], factors: int, seed: int
) -> tuple[Floats, Floats]:
    """Draw the item factors as the source did; the user factors are solved first and need no start."""
    rng = generator(seed)
    law, size = published.start
    scale = np.float32(size / np.sqrt(factors))
    if law == "uniform":
        Y = rng.random((shape[1], factors), np.float32) * scale
    else:
        Y = rng.standard_normal((shape[1], factors), np.float32) * scale
    return np.zeros((shape[0], factors), np.float32), Y


def _ranked(published: Published, model: Solver, data: Dataset) -> Reproduction:
    assert data.test is not None
    assert data.negatives is not None
    X, Y = factors_of(model)
    positives = np.full(data.test.shape[0], -1, np.int64)
    rows = np.repeat(np.arange(data.test.shape[0]), np.diff(data.test.indptr))
    positives[rows] = data.test.indices
    result = rank_among_negatives(X, Y, positives, data.negatives, k=10)
    return Reproduction(published, model.solver_, result.hit_rate, result.ndcg)
