"""Peer: Spark's ALS (`pyspark.ml.recommendation.ALS`) on this machine's cores, as master `local[N]`.

Like `cmfrec` it takes no starting factors, gives factors only at the end of a fit, solves items before
users, and has no half-step to call. So it is not in `SOLVERS`; it is a contestant of the benchmark,
which fits it anew for every number of iterations. It solves every row by Cholesky's method. For each
row, with r the ratings (verified by the float64 objective):

* with `implicitPrefs` (Y'Y + regParam n I + sum alpha abs(r) y y') x = sum over r > 0 of
  (1 + alpha r) y, where n counts the row's ratings above 0;
* without (regParam n I + sum y y') x = sum r y, where n counts all.

The weights can be mapped: `linear`, `log` and `implicit` with all confidences above 1 are alpha = 1 and
r = w, negative where p = 0; `binary`, divided by a0, is r = 1 / a0 with factors times sqrt(1 + a0) and
the regularisation times (1 + a0) / a0; `explicit` is the second form. The regularisation cannot: it is
always scaled by n, which is ALS-WR. Of the conventions of this package, `explicit` with
`regularization_exponent=1` has that, and nothing else: the frequency n_u + a0 N of the others counts the
background too. So all other solvers are given Spark's scaling instead (`halfstep.solvers.als_wr`,
`halfstep bench --als-wr`), and both minimise the same function. Without that, `spark` is refused.

The reported seconds are those of its whole fit minus those of a fit of no iterations, which makes its
blocks and draws its start, over the iterations: Spark tells no one when an iteration ends. The data are
in Spark's memory before either. Java runs on from fit to fit (`spark_session`), so that its compiled
code is warm, as in a long job.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from halfstep.errors import InputError, SolverUnavailable
from halfstep.solvers.base import Solver
from halfstep.solvers.fit.monitor import Monitor
from halfstep.solvers.inputs import check_integers
from halfstep.solvers.peers.spark_session import Session, session, why_unavailable
from halfstep.solvers.problem import Problem, Weights
from halfstep.types import Floats

# Each iteration refers to the one before, and a long chain overflows Java's stack. A checkpoint cuts it,
# and writes the factors to disk: so only fits that need them have them, as often as is Spark's default.
_CHECKPOINT_EVERY = 10


@dataclass(eq=False, repr=False)
class Spark(Solver):
    """The peer Spark on the cores of this machine.

    It draws its own start from `random_state`, an int, and ignores `init_factors`. `callback` is called
    once, after the last iteration.

    Parameters
    ----------
    blocks
        Blocks of users and of items; 10 is Spark's default.
    """

    name: ClassVar[str] = "spark"
    kind: ClassVar[str] = "reference"
    row_scaling: ClassVar[str] = "frequency"
    blocks: int = field(default=10, kw_only=True)

    @classmethod
    def unavailable(cls) -> str | None:
        """Return why Spark cannot be used here, or None; starts no Java."""
        return why_unavailable()

    def check(self) -> None:
        """Raise InputError for an argument that breaks its rule or that Spark cannot express."""
        super().check()
        check_integers(self._settings(), blocks=1)
        if np.dtype(self.dtype) != np.float32:
            raise InputError(f"dtype must be float32 for spark, got {np.dtype(self.dtype).name}")
        if self.row_scaling == "als_wr":
            return
        if self.confidence != "explicit" or self.regularization_exponent != 1:
            raise InputError(
                "spark scales each row's regularization by its number of entries (ALS-WR): it needs "
                "confidence 'explicit' with regularization_exponent 1, or `halfstep bench --als-wr`, "
                "which scales it so for all solvers; "
                f"got {self.confidence!r} with {self.regularization_exponent}"
            )

    def half_step(self, problem: Problem, X: Floats) -> Floats:
        """Raise NotImplementedError: Spark only runs whole fits."""
        raise NotImplementedError("Spark has no half-step of its own")

    def _alternate(self, users: Weights, items: Weights, X: Any, Y: Any, monitor: Monitor) -> None:
        """Run Spark's fit twice, without iterations and with all of them, and report once."""
        from halfstep.kernels.cpu.threads import cores

        ratings, scale, regularization = self._mapped(users)
        if not self.iterations:
            return
        reason = why_unavailable()
        if reason is not None:
            raise SolverUnavailable(f"solver 'spark' cannot run here: {reason}")
        running = session(cores(int(self.num_threads)))
        with tempfile.TemporaryDirectory(dir=running.folder) as name:
            folder = Path(name)
            _write(folder / "ratings.parquet", users, ratings)
            try:
                seconds, found = self._fits(running, folder, regularization)
            except Exception as error:
                # What Java raises has a thousand lines, and py4j's own classes.
                lines = [line.strip() for line in str(error).splitlines() if line.strip()]
                raise RuntimeError(f"Spark's fit failed: {' '.join(lines[:2])[:400]}") from None
            finally:
                _forget(running)
            each = max(0.0, seconds[1] - seconds[0]) / self.iterations
            ours = [
                _in_order(folder / side, rows, self.factors) / scale
                for side, rows in zip(found, (users.rows, items.rows), strict=True)
            ]
        monitor(self.iterations - 1, each, *ours)
        self.seconds_ = [each] * self.iterations

    def _fits(
        self, running: Session, folder: Path, regularization: float
    ) -> tuple[list[float], tuple[str, str]]:
        """Return the seconds of both fits and the names of the two folders with the factors."""
        from pyspark.ml.recommendation import ALS

        plays = running.spark.read.parquet(str(folder / "ratings.parquet")).persist()
        plays.count()
        long = self.iterations > _CHECKPOINT_EVERY
        if long:
            running.spark.sparkContext.setCheckpointDir(str(folder / "checkpoints"))
        seed = self.random_state
        seconds = []
        for iterations in (0, self.iterations):
            als = ALS(
                rank=self.factors,
                maxIter=iterations,
                regParam=regularization,
                implicitPrefs=self.confidence != "explicit",
                alpha=1.0,
                userCol="user",
                itemCol="item",
                ratingCol="rating",
                numUserBlocks=self.blocks,
                numItemBlocks=self.blocks,
                checkpointInterval=_CHECKPOINT_EVERY if long else -1,
                seed=int(seed) if isinstance(seed, int | np.integer) else 0,
            )
            start = time.perf_counter()
            model = als.fit(plays)
            seconds.append(time.perf_counter() - start)
        model.userFactors.write.parquet(str(folder / "users"))
        model.itemFactors.write.parquet(str(folder / "items"))
        return seconds, ("users", "items")

    def _mapped(self, side: Weights) -> tuple[Floats, np.float32, float]:
        """Return Spark's ratings, its factors' scale over ours, and its regularisation."""
        w, t = side.of_entries(slice(None))
        if self.confidence == "explicit":
            return t, np.float32(1), self.regularization
        if self.confidence == "binary":
            square = 1 + side.a0
            regularization = square * self.regularization / side.a0
            return np.full_like(w, 1 / side.a0), np.float32(np.sqrt(square)), regularization
        liked = t > 0
        if (w < 0).any() or (w[liked] == 0).any() or (t[liked] != w[liked] + w.dtype.type(1)).any():
            raise InputError(
                "spark needs stored values whose confidence is above 1 and whose target is 0 or 1, "
                "got others"
            )
        return np.where(liked, w, -w), np.float32(1), self.regularization


def _write(path: Path, side: Weights, ratings: Floats) -> None:
    """Write the entries of a side as a table of `user`, `item` and `rating`."""
    import pyarrow as pa
    from pyarrow import parquet

    if side.rows > np.iinfo(np.int32).max or side.columns > np.iinfo(np.int32).max:
        raise InputError(f"spark numbers rows in 32 bits, got {side.rows} times {side.columns}")
    rows = np.repeat(np.arange(side.rows, dtype=np.int32), np.diff(side.indptr))
    columns = side.indices.astype(np.int32, copy=False)
    parquet.write_table(pa.table({"user": rows, "item": columns, "rating": ratings}), path)


def _in_order(folder: Path, rows: int, factors: int) -> npt.NDArray[np.float32]:
    """Return factors (rows, f) in our order; rows that Spark has no factors for are 0."""
    from pyarrow import parquet

    table = parquet.read_table(folder, columns=["id", "features"])
    ordered = np.zeros((rows, factors), np.float32)
    features = table["features"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    ordered[table["id"].to_numpy()] = features.reshape(-1, factors)
    return ordered


def _forget(running: Session) -> None:
    """Free what Spark keeps in memory of a fit: the data, and the factors of the model."""
    for held in running.spark.sparkContext._jsc.getPersistentRDDs().values():
        held.unpersist()
    running.spark.catalog.clearCache()
