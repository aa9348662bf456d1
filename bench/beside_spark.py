"""Spark's ALS beside the default solver: how long each takes to the objective that Spark reaches.

    python -m halfstep.bench.beside_spark bench/workers/MACHINE.json --data music-medium:64,gowalla:64

Both minimise the objective of ALS-WR, the only one that Spark has, on the same data and cores; the
objective of both is calculated here, in float64. Spark has its data in memory, and a fit of no
iterations is taken from its time. The default solver fits before Spark and after it.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np

from halfstep.bench.environment import environment
from halfstep.bench.over_workers import sections_of
from halfstep.files import write_json
from halfstep.kernels.cpu.threads import cores
from halfstep.marked_sections import rewrite_sections
from halfstep.solvers import SOLVERS
from halfstep.solvers.als_wr import als_wr
from halfstep.solvers.objective import objective
from halfstep.solvers.peers.spark import Spark

SETTINGS: dict[str, Any] = {"confidence": "log", "regularization": 0.1}
ITERATIONS = 10


def measured(name: str, matrix: Any, factors: int) -> dict[str, Any]:
    """Return the seconds and objectives of a fit by Spark, and of two by the default solver."""
    given: dict[str, Any] = {"factors": factors, **SETTINGS}
    users, items = als_wr(SOLVERS["cholesky"])(**given, dtype=np.float64).weights(matrix)
    before = _ours(matrix, users, items, given)
    spark: Any = als_wr(Spark)(**given, iterations=ITERATIONS, random_state=0)
    spark.fit(matrix, show_progress=False)
    reached = objective(users, items, spark.user_factors, spark.item_factors)
    turns = [before, _ours(matrix, users, items, given)]
    needed = [
        next((k + 1 for k, value in enumerate(turn["objectives"]) if value <= reached), None)
        for turn in turns
    ]
    seconds = [
        None if count is None else sum(turn["seconds"][:count])
        for count, turn in zip(needed, turns, strict=True)
    ]
    taken = sum(spark.seconds_)
    found = [taken / one for one in seconds if one is not None]
    return {
        "data": name,
        "users": matrix.shape[0],
        "items": matrix.shape[1],
        "entries": matrix.nnz,
        "factors": factors,
        "spark": {"seconds": taken, "objective": reached, "iterations": ITERATIONS},
        "turns": turns,
        "iterations": needed,
        "seconds": seconds,
        "ratio": statistics.median(found) if len(found) == len(turns) else None,
    }


def _ours(matrix: Any, users: Any, items: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Return the seconds and the objective of each iteration of the default solver."""
    objectives: list[float] = []
    model: Any = als_wr(SOLVERS["eigenbasis"])(**given, iterations=ITERATIONS, random_state=0)

    def look(iteration: int, seconds: float, loss: float | None) -> None:
        objectives.append(objective(users, items, model.user_factors, model.item_factors))

    model.fit(matrix, show_progress=False, callback=look)
    return {"seconds": list(model.seconds_), "objectives": objectives}


def section(results: dict[str, Any]) -> str:
    """Return what docs/scale.md says of a results file."""
    of = results["environment"]
    lines = [
        "| data, f | objective of Spark's 10 iterations | Spark | here, in one process | times |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for row in results["spark"]:
        here = "not reached"
        if row["ratio"] is not None:
            seconds, count = statistics.median(row["seconds"]), max(row["iterations"])
            here = f"{seconds:.2f} s, {count} iterations"
        lines.append(
            f"| {row['data']}, f = {row['factors']} | {row['spark']['objective']:.6g} "
            f"| {row['spark']['seconds']:.0f} s | {here} "
            f"| {'–' if row['ratio'] is None else format(row['ratio'], '.0f')} |"
        )
    return "\n".join(
        [
            *lines,
            "",
            f"On {of['cpu']}, {of['cores']} cores, by Spark's objective (ALS-WR, log confidence, "
            f"lambda {SETTINGS['regularization']}), calculated here in float64 for both. Of "
            "Spark's time a fit of no iterations is taken off; its data are in memory. Cores that are "
            "shared with other work make seconds unsteady: read the ratio, and that roughly.",
        ]
    )


def rewrite(page: Path, folder: Path) -> None:
    """Write the section of the page anew, from the results files in a folder."""
    rewrite_sections(page, {"spark": lambda: sections_of(folder, "spark", section)})


def main() -> None:
    """Measure, and write the part of the results file."""
    from halfstep import load_data

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("output", type=Path)
    parser.add_argument("--data", default="music-medium:64")
    parser.add_argument("--page", type=Path, help="write its section from the files in OUTPUT")
    given = parser.parse_args()
    if given.page:
        rewrite(given.page, given.output)
        return
    reason = Spark.unavailable()
    if reason:
        raise SystemExit(f"Spark cannot be used here: {reason}")
    print(f"{cores(0)} cores")
    results = json.loads(given.output.read_text()) if given.output.exists() else {}
    results.setdefault("environment", environment())
    results["spark"] = []
    for cell in given.data.split(","):
        name, _, factors = cell.rpartition(":")
        data = load_data(name)
        row = measured(data.name, data.interactions, int(factors))
        print(
            f"{data.name} f = {factors}: Spark {row['spark']['seconds']:.1f} s, times {row['ratio']}"
        )
        results["spark"].append(row)
        write_json(given.output, results)


if __name__ == "__main__":
    main()
