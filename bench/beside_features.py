"""New items ranked by their attributes: this package beside irspack, cmfrec and methods without factors.

    python -m halfstep.bench.beside_features --data-folder DIR --out FILE
    python -m halfstep.bench.beside_features bench/new_items --page docs/side-information.md

Every entrant has the same number of random trials on one draw of new items, and its best setting is
judged on three others (`halfstep.bench.features.protocol`). The file also has what attributes change for
users and items that have entries, and what they cost. FILE.md gets a table; the second form puts the
tables of a folder's files into a page.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from halfstep.bench.environment import environment
from halfstep.bench.features.cost import cost
from halfstep.bench.features.data import LOADERS
from halfstep.bench.features.others import ENTRANTS
from halfstep.bench.features.search import contest
from halfstep.bench.features.warm import warm
from halfstep.files import write_json
from halfstep.marked_sections import rewrite_sections

TRIALS = 20


def table(results: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    lines = [
        "| data | entrant | NDCG@10 | 95 % interval | each draw |",
        "| --- | --- | ---: | --- | --- |",
    ]
    for record in results["new_items"]:
        for row in record["rows"]:
            found = row["ndcg"]
            each = ", ".join(f"{value:.4f}" for value in row["each_draw"])
            lines.append(
                f"| {record['data']} | {row['name']} | {found['mean']:.4f} "
                f"| {found['low']:.4f} to {found['high']:.4f} | {each} |"
            )
        for name, reason in record["skipped"].items():
            lines.append(f"| {record['data']} | {name} | skipped: {reason} | | |")
    if results.get("warm"):
        lines += [
            "",
            "| data | whom | without attributes | with | difference |",
            "| --- | --- | ---: | ---: | --- |",
        ]
        for name, groups in results["warm"].items():
            for group, rows in groups.items():
                gap = rows["difference"]
                lines.append(
                    f"| {name} | {group} | {rows['without']['mean']:.4f} | {rows['with']['mean']:.4f} "
                    f"| {gap['mean']:+.4f} ({gap['low']:+.4f} to {gap['high']:+.4f}) |"
                )
    if results.get("cost"):
        lines += ["", "| data | attributes | times the fit without |", "| --- | ---: | ---: |"]
        lines += [
            f"| {row['data']}, f = {row['factors']} | {row['attributes']} | {row['ratio']:.2f} |"
            for row in results["cost"]
        ]
    return "\n".join(lines) + "\n"


def page_tables(folder: Path) -> str:
    """Return the tables of all results in a folder as Markdown, with the machine of the last one."""
    every = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    whole: dict[str, Any] = {
        "new_items": [record for one in every for record in one["new_items"]],
        "warm": {name: rows for one in every for name, rows in one["warm"].items()},
        "cost": [row for one in every for row in one["cost"]],
    }
    machine = every[-1]["environment"]
    return f"{table(whole)}\n{machine['cpu']}, {machine['cores']} cores."


def main() -> None:
    """Run the parts that are asked for, and write the results after each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("results", nargs="?", type=Path)
    parser.add_argument("--page", type=Path)
    parser.add_argument("--data-folder", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--data", default=",".join(LOADERS))
    parser.add_argument("--entrants", default=",".join(ENTRANTS))
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--parts", default="new_items,warm,cost")
    given = parser.parse_args()
    if given.page is not None and given.results is not None:
        rewrite_sections(given.page, {"beside-features": lambda: page_tables(given.results)})
        return
    if given.data_folder is None or given.out is None:
        parser.error("give --data-folder and --out, or a folder of results and --page")
    results: dict[str, Any] = {
        "environment": environment(),
        "new_items": [],
        "warm": {},
        "cost": [],
    }
    parts = given.parts.split(",")
    for name in given.data.split(",") if "new_items" in parts else ():
        data = LOADERS[name](given.data_folder)
        record = contest(data, given.entrants.split(","), given.trials)
        results["new_items"].append(record)
        ours = next((row for row in record["rows"] if row["name"] == "halfstep"), None)
        if ours is not None and "warm" in parts:
            results["warm"][data.name] = warm(data, ours["tuning"]["setting"])
        _write(given.out, results)
    if "cost" in parts:
        results["cost"] = cost()
        _write(given.out, results)
    print(table(results))


def _write(path: Path, results: dict[str, Any]) -> None:
    write_json(path, results)
    path.with_suffix(".md").write_text(table(results), encoding="utf-8")


if __name__ == "__main__":
    main()
