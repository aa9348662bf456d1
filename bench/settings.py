"""The settings of a benchmark run, all checked before any work begins."""

from __future__ import annotations

import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from typing import Any

from halfstep import defaults
from halfstep.datasets import FORMATS
from halfstep.datasets.tables.options import AS_FOUND, TableOptions
from halfstep.errors import InputError

SUITES = defaults.SUITES
ON_CELLS = ("quality", "acceleration")
_CONTESTANTS = ("solvers", "reference")
_WEIGHTING = ("confidence", "background", "regularization", "transform")
# What a suite chooses by itself.
_OWN: dict[str, tuple[str, ...]] = {
    "scaling": ("data",),
    "queries": _CONTESTANTS,
    "evaluation": _CONTESTANTS,
    "roofline": _CONTESTANTS,
    "threads": _CONTESTANTS,
    "quality": (*_CONTESTANTS, *_WEIGHTING),
    "acceleration": (*_CONTESTANTS, *_WEIGHTING),
    "memory": ("data", *_CONTESTANTS, *_WEIGHTING),
    "preparation": ("data", "factors", *_CONTESTANTS, *_WEIGHTING),
    "small": ("data", *_CONTESTANTS),
}
DEFAULT_DATA = "music-small"
# (confidence, regularization). Of the settings tried on music-small this one beats popularity in both
# NDCG@10 and AUC.
MILD = ("log", 20.0)
# Raw play counts, the default of `implicit` and of this package.
RAW = ("implicit", 0.01)
# On the little data of the suite `small`, 20 leaves hardly anything of the factors.
LITTLE = ("log", 1.0)
_CONVENTIONS = {"plays-small": RAW, "plays-medium": RAW}


@dataclass(frozen=True)
class BenchSettings:
    """One benchmark run.

    Parameters
    ----------
    data
        A preset, a path or "format:path", as for `halfstep.datasets.load`; None for the suite's default.
        The suites `scaling` and `small` generate their own.
    suite
        `"quick"`, `"full"`, `"scaling"`, `"queries"` or `"roofline"`: see `halfstep.bench.suites`; or
        `"quality"` or `"acceleration"`: see `halfstep.bench.quality`; or another of
        `halfstep.defaults.SUITES`, each in a file of its own, as `halfstep.bench.suite_memory`.
    solvers
        Contestants: names in `halfstep.SOLVERS`, with settings of their own behind colons
        (`eigenbasis:exact`; see `halfstep.bench.contestant_names`); None for the suite's. The reference
        always takes part.
    reference
        The contestant that sets the target and whose seconds the speed-ups are formed with; None for
        exact ALS: `eigenbasis:exact`, or `cholesky` where that cannot run.
    factors
        Sizes f to compare at; None for the suite's.
    iterations
        The number of iterations after which the reference's objective is the target and held-out
        quality is compared.
    repeats
        Timed fits of each contestant.
    seed
        Seed of the split, the starting factors, the bootstrap and generated data.
    num_threads
        Threads of each fit, 0 for all cores. Unless it is given, the suite `scaling` compares several;
        in the suite `threads` the most threads.
    confidence, alpha, epsilon, background, regularization, regularization_exponent,
    transform, bm25_k1, bm25_b
        The weighting, as for every solver: see `halfstep.solvers.problem`. None for the data's default:
        raw counts for plays-small and plays-medium, logarithms of counts for all other data.
    als_wr
        Suites quick, full and scaling: scale each row's regularization by the number of its entries,
        as Spark does; see `halfstep.solvers.als_wr`.
    test_fraction
        Share of each user's entries to hold out where the data has no held-out part of its own.
    budget
        Seconds for the check of one contestant in one table, and half as many for its timing; in the
        suite `quality` seconds for one cell. None for the suite's default.
    memory
        Whether to measure peak memory, in one more process for each contestant.
    out
        Folder of the results, which is made where there is none; or a file `NAME.json`, and no report is
        drawn.
    cells
        Suite `quality`: run the cells whose name contains this text or matches this pattern.
    data_folder
        Suite `quality`: folder of the real data; None for the one that HALFSTEP_DATA names.
    resume
        Suite `quality`: keep the cells of an existing results file and run the others.
    table
        How to read `data`, if it is a table.
    """

    data: str | None = None
    suite: str = "quick"
    solvers: tuple[str, ...] | None = None
    reference: str | None = None
    factors: tuple[int, ...] | None = None
    iterations: int = defaults.ITERATIONS
    repeats: int = 5
    seed: int = 0
    num_threads: int = 0
    confidence: str | None = None
    alpha: float = defaults.ALPHA
    epsilon: float = defaults.EPSILON
    background: float | None = None
    regularization: float | None = None
    regularization_exponent: float = defaults.EXPONENT
    transform: str | None = None
    bm25_k1: float = defaults.BM25_K1
    bm25_b: float = defaults.BM25_B
    als_wr: bool = False
    test_fraction: float = defaults.TEST_FRACTION
    budget: float | None = None
    memory: bool = True
    out: Path = Path("bench-report")
    cells: str | None = None
    data_folder: Path | None = None
    resume: bool = False
    table: TableOptions = AS_FOUND

    def __post_init__(self) -> None:
        if self.suite not in SUITES:
            raise InputError(f"suite must be one of {', '.join(SUITES)}, got {self.suite!r}")
        self._check_numbers()
        self._check_solvers()
        self._check_out()
        if self.suite not in ON_CELLS and (self.cells or self.data_folder):
            raise InputError(
                f"cells and data_folder belong to the suites {' and '.join(ON_CELLS)}, "
                f"got {self.suite!r}"
            )
        if self.als_wr and self.suite not in ("quick", "full", "scaling"):
            raise InputError(
                f"als_wr belongs to the suites quick, full and scaling, got {self.suite!r}"
            )
        if self.resume and self.suite != "quality":
            raise InputError(f"resume belongs to the suite 'quality', got {self.suite!r}")
        for name in _OWN.get(self.suite, ()):
            if getattr(self, name) is not None:
                raise InputError(f"the suite {self.suite!r} has {name} of its own, got {name}")

    def convention(self, data: str | None = None) -> dict[str, Any]:
        """Return the weighting that all contestants share, as arguments of `Solver`.

        Parameters
        ----------
        data
            Name of the data to be weighted; None for the data of the settings.
        """
        default = LITTLE if self.suite == "small" else MILD
        confidence, regularization = _CONVENTIONS.get(data or self.data or DEFAULT_DATA, default)
        # Without it the arguments are those of every solver, and results say nothing of it.
        scaling = {"als_wr": True} if self.als_wr else {}
        return scaling | {
            "confidence": confidence if self.confidence is None else self.confidence,
            "alpha": self.alpha,
            "epsilon": self.epsilon,
            "background": self.background,
            "regularization": regularization
            if self.regularization is None
            else self.regularization,
            "regularization_exponent": self.regularization_exponent,
            "transform": self.transform,
            "bm25_k1": self.bm25_k1,
            "bm25_b": self.bm25_b,
        }

    def results_path(self) -> Path:
        """Return the path of the results file."""
        return self.out if self.out.suffix == ".json" else self.out / "results.json"

    def record(self) -> dict[str, Any]:
        """Return the settings as the results file keeps them: without the folders of this machine."""
        values = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}
        for name in ("out", "data_folder", "resume", "table", "als_wr"):
            del values[name]
        if self.data is not None:
            prefix, colon, rest = self.data.partition(":")
            if prefix not in FORMATS:
                prefix, colon, rest = "", "", self.data
            values["data"] = prefix + colon + PurePath(rest).name
        return values | self.convention()

    def _check_numbers(self) -> None:
        for name, least in (("iterations", 1), ("repeats", 1), ("seed", 0), ("num_threads", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InputError(f"{name} must be an integer of at least {least}, got {value!r}")
        if not 0 < self.test_fraction < 1:
            raise InputError(
                f"test_fraction must lie strictly between 0 and 1, got {self.test_fraction}"
            )
        if self.budget is not None and not (math.isfinite(self.budget) and self.budget > 0):
            raise InputError(f"budget must be positive seconds, got {self.budget}")
        if self.factors is not None and (
            not self.factors
            or any(f < 1 for f in self.factors)
            or len(set(self.factors)) < len(self.factors)
        ):
            raise InputError(
                f"factors must be different sizes of at least 1, got {', '.join(map(str, self.factors))}"
            )

    def _check_out(self) -> None:
        folder = self.results_path().parent if self.out.suffix == ".json" else self.out
        nearest = folder.absolute()
        while not nearest.exists() and nearest != nearest.parent:
            nearest = nearest.parent
        if folder is not self.out and self.out.is_dir():
            raise InputError(
                f"out must be a file or a folder to be made, got the folder '{self.out}'"
            )
        if not nearest.is_dir():
            raise InputError(f"out must be a folder, got '{self.out}', where '{nearest}' is none")
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise InputError(
                f"out must be a folder to write to, got '{self.out}': no permission in '{nearest}'"
            )

    def _check_solvers(self) -> None:
        from halfstep.bench.contestant_names import WHOLE, solver_and_settings
        from halfstep.solvers import SOLVERS
        from halfstep.solvers.als_wr import als_wr

        if self.solvers is not None and not self.solvers:
            raise InputError("solvers must name at least one, got none")
        for name in (*(self.solvers or ()), *filter(None, [self.reference])):
            solver_and_settings(name)
        if self.solvers is not None and len(set(self.solvers)) < len(self.solvers):
            raise InputError(f"solvers must be different, got {', '.join(self.solvers)}")
        if self.reference is not None and solver_and_settings(self.reference)[0].name in WHOLE:
            raise InputError(
                f"reference must have iterations to be measured by, got {self.reference!r}"
            )
        # Every solver checks the weighting; this one has no limits of its own.
        solver = SOLVERS["conjugate_gradient"]
        convention = self.convention()
        (als_wr(solver) if convention.pop("als_wr", False) else solver)(**convention)
