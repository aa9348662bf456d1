"""Fits over worker processes beside fits in one process: times, bits and bytes, in turns.

    python -m halfstep.bench.over_workers bench/workers/MACHINE.json --data music-medium,gowalla

Every turn fits in this process with all threads and then over as many workers of one thread each, on the
same data with the same settings. Ratios are within a turn. Numbering is timed beside pandas and SciPy in
one process, and on ten times the rows, in ten times the shards, for the workers' memory.
"""

from __future__ import annotations

import argparse
import json
import logging
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from halfstep.bench.environment import environment
from halfstep.files import write_json
from halfstep.kernels.cpu.threads import cores
from halfstep.marked_sections import rewrite_sections

SETTINGS = {"confidence": "log", "regularization": 20.0}
ITERATIONS = 8
_WAYS = "pandas", "workers"


def turns(client: Any, name: str, matrix: Any, factors: int, count: int) -> dict[str, Any]:
    """Return the seconds of an iteration in both ways, of each turn, and whether the bits agree."""
    from halfstep import SOLVERS, distributed
    from halfstep.distributed.facts import SIDES, Facts
    from halfstep.distributed.planning.counted import plan_of
    from halfstep.distributed.storage import Folder

    running: Any = import_module("halfstep.distributed.fitting.run")
    given: dict[str, Any] = {
        "factors": factors,
        "iterations": ITERATIONS,
        "random_state": 0,
        **SETTINGS,
    }
    threads = cores(0)
    folder = tempfile.mkdtemp(prefix="halfstep-bench-")
    rows: list[dict[str, Any]] = []
    kept: list[Any] = []
    before: Any = running.Driver

    class Watched(before):  # type: ignore[misc]
        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more)
            kept.append(self)

    running.Driver = Watched
    try:
        source: Any = matrix
        for turn in range(count + 1):
            alone = SOLVERS["eigenbasis"](num_threads=threads, **given)
            alone.fit(matrix, show_progress=False)
            over = distributed.fit(
                source, client=client, folder=folder, num_threads=1, shards=threads,
                checkpoint_every=0, show_progress=False, **given,
            )  # fmt: skip
            source = None
            driver = kept.pop()
            received = [sum(c.received for c in clocks) for clocks in driver.clocks[-2:]]
            whole = over.to_model()
            same = bool(
                (whole.user_factors == alone.user_factors).all()
                and (whole.item_factors == alone.item_factors).all()
            )
            if turn:  # the first one warms up
                rows.append(
                    {
                        "in_process": statistics.median(alone.seconds_),
                        "workers": statistics.median(over.seconds_),
                        "same_bits": same,
                        "bytes": sum(received),
                    }
                )
    finally:
        running.Driver = before
    facts = Facts.read(Folder(folder).child("data"))
    sizes = {side: driver.solver.row_bytes(driver.frame(side)) for side in SIDES}
    plan = plan_of(Folder(folder).child("data"), sizes, homes=driver.homes)
    ratios = [row["workers"] / row["in_process"] for row in rows]
    return {
        "data": name,
        "users": facts.rows("user"),
        "items": facts.rows("item"),
        "entries": facts.entries,
        "factors": factors,
        "turns": rows,
        "ratio": statistics.median(ratios),
        "ratios": [min(ratios), max(ratios)],
        "same_bits": all(row["same_bits"] for row in rows),
        "bytes": rows[-1]["bytes"],
        "planned_bytes": int(plan.bytes_per_iteration),
    }


def table_of(matrix: Any, folder: Path, times: int, texts: bool = False) -> int:
    """Write a matrix's entries as Parquet, in 8 files for each of `times` copies; return the rows."""
    import pyarrow as pa
    from pyarrow import parquet

    coo = matrix.tocoo()
    order = np.random.default_rng(0).permutation(coo.nnz)
    for copy in range(times):
        for k, part in enumerate(np.array_split(order, 8)):
            ids = {"user": coo.row[part].astype(np.int64) * 7 + 11 + copy * 10**9}
            ids["item"] = coo.col[part].astype(np.int64) * 3 + 5
            columns = {
                name: [f"{name}-{one:012d}" for one in numbers.tolist()] if texts else numbers
                for name, numbers in ids.items()
            }
            columns["value"] = coo.data[part].astype(np.float64)
            parquet.write_table(pa.table(columns), folder / f"{copy:02d}-{k}.parquet")
    return int(coo.nnz) * times


def by_pandas(folder: Path) -> float:
    """Return the seconds that pandas and SciPy take for the matrix and its transpose."""
    import pandas as pd
    from scipy import sparse

    begun = time.perf_counter()
    frame = pd.read_parquet(folder)
    users, items = (pd.factorize(frame[name], sort=True) for name in ("user", "item"))
    shape = len(users[1]), len(items[1])
    matrix = sparse.csr_matrix((frame["value"], (users[0], items[0])), shape=shape)
    matrix.T.tocsr()
    return time.perf_counter() - begun


def numbering(client: Any, matrix: Any, count: int, times: int) -> dict[str, Any]:
    """Return the seconds of numbering beside pandas, and the workers' peak memory in bytes."""
    from halfstep.distributed.numbering import number_ids
    from halfstep.distributed.storage import Folder

    def numbered(source: str, shards: int) -> float:
        begun = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="halfstep-bench-") as folder:
            number_ids(
                client, source, Folder(folder),
                shards=shards, user="user", item="item", value="value",
            )  # fmt: skip
            return time.perf_counter() - begun

    found: dict[str, Any] = {"turns": [], "texts": [], "memory": []}
    for copies, texts in ((1, False), (times, False), (1, True)):
        with tempfile.TemporaryDirectory(prefix="halfstep-table-") as source:
            rows, shards = table_of(matrix, Path(source), copies, texts), cores(0) * copies
            for _ in range(count if copies == 1 else 1):
                alone = by_pandas(Path(source)) if copies == 1 else None
                taken = numbered(source, shards)
                if alone is not None:
                    turn = {"pandas": alone, "workers": taken}
                    found["texts" if texts else "turns"].append(turn)
        if not texts:
            peak = list(client.run(_peak).values())
            found["memory"].append({"rows": rows, "shards": shards, "seconds": taken, "peak": peak})
    return {**found, "ratio": _ratio(found["turns"]), "ratio_of_texts": _ratio(found["texts"])}


def _ratio(turns: list[dict[str, float]]) -> float:
    return statistics.median(turn["workers"] / turn["pandas"] for turn in turns)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def section(results: dict[str, Any]) -> str:
    """Return what docs/scale.md says of a results file."""
    of, numbered = results["environment"], results["numbering"]
    lines = [
        "| data, f | in process | over workers | ratio | bits | bytes an iteration |",
        "| --- | ---: | ---: | ---: | --- | ---: |",
    ]
    for row in results["fits"]:
        alone, over = (
            statistics.median(turn[way] for turn in row["turns"])
            for way in ("in_process", "workers")
        )
        low, high = row["ratios"]
        lines.append(
            f"| {row['data']}, f = {row['factors']} | {1e3 * alone:.0f} ms | {1e3 * over:.0f} ms "
            f"| {row['ratio']:.2f} ({low:.2f}–{high:.2f}) "
            f"| {'the same' if row['same_bits'] else 'others'} "
            f"| {row['bytes'] / 1e6:.2f} MB, planned {row['planned_bytes'] / 1e6:.2f} MB |"
        )
    said = []
    for what, key in (("integers", "turns"), ("texts", "texts")):
        alone, over = (statistics.median(turn[way] for turn in numbered[key]) for way in _WAYS)
        said.append(
            f"{what} take {over:.1f} s, where pandas and SciPy in one process take {alone:.1f} s: "
            f"{_ratio(numbered[key]):.1f} times as long within a turn"
        )
    peaks = [
        f"{part['rows'] / 1e6:.1f} M rows of integers in {part['shards']} shards take "
        f"{part['seconds']:.0f} s and at most {max(part['peak']) / 1e9:.1f} GB of a worker"
        for part in numbered["memory"]
    ]
    return "\n".join(
        [
            *lines,
            "",
            f"On {of['cpu']}, {of['cores']} cores: as many threads in one process, or as many "
            f"workers of one thread each. Medians of {len(results['fits'][0]['turns'])} turns of "
            f"{results['iterations']} iterations each; ratios within a turn, with their extremes. "
            "Cores that are shared with other work make seconds unsteady: read the ratios.",
            "",
            f"Numbering music-medium's rows from 8 Parquet files: {'; '.join([*said, *peaks])}.",
        ]
    )


def rewrite(page: Path, folder: Path) -> None:
    """Write the section of the page anew, from the results files in a folder."""
    rewrite_sections(page, {"growth": lambda: sections_of(folder, "fits", section)})


def sections_of(folder: Path, part: str, draw: Callable[[dict[str, Any]], str]) -> str:
    """Return what is drawn of the results files in a folder that have a part."""
    files = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.json"))]
    return "\n\n".join(draw(results) for results in files if part in results)


def main() -> None:
    """Measure and write the results file."""
    from halfstep import load_data
    from halfstep.distributed.fitting.clusters import connected

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("output", type=Path)
    parser.add_argument("--data", default="music-medium:64,music-medium:128")
    parser.add_argument("--only", help="numbering, for the part of an existing file")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument(
        "--times", type=int, default=10, help="rows for the memory, over the data's"
    )
    parser.add_argument("--page", type=Path, help="write its section from the files in OUTPUT")
    given = parser.parse_args()
    if given.page:
        rewrite(given.page, given.output)
        return
    logging.getLogger("halfstep").setLevel(logging.ERROR)
    results: dict[str, Any] = {"environment": environment(), "fits": [], "iterations": ITERATIONS}
    matrix = None
    if given.only == "numbering":
        results = json.loads(given.output.read_text())
        matrix = load_data(given.data.split(",")[0].rpartition(":")[0]).interactions
        given.data = ""
    with connected(workers=cores(0)) as client:
        for cell in filter(None, given.data.split(",")):
            name, _, factors = cell.rpartition(":")
            data = load_data(name)
            matrix = data.interactions if matrix is None else matrix
            row = turns(client, data.name, data.interactions, int(factors), given.turns)
            print(f"{data.name} f = {factors}: {row['ratio']:.2f}, same bits {row['same_bits']}")
            results["fits"].append(row)
    with connected(workers=cores(0)) as client:
        results["numbering"] = numbering(client, matrix, min(3, given.turns), given.times)
        print(f"numbering: {results['numbering']['ratio']:.2f} times pandas")
    write_json(given.output, results)


if __name__ == "__main__":
    main()
