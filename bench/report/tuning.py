"""The README's table of a tuned model beside published ones, from a file that `halfstep tune` wrote.

The file is kept with the benchmark's results; its field `kind` tells it from them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from halfstep.defaults import METRIC
from halfstep.errors import InputError

KIND = "tuning"
# (model, recall@20, NDCG@20) on the gowalla split of NGCF and LightGCN, by the content hash of the
# data, so that a number never stands beside results on another split. MF-BPR, EASE and SimpleX as in
# Mao et al., "SimpleX", CIKM 2021; LightGCN: He et al., SIGIR 2020, as there; UltraGCN: Mao et al.,
# CIKM 2021.
GOWALLA = (
    ("MF-BPR", 0.1627, 0.1378),
    ("EASE", 0.1765, 0.1467),
    ("LightGCN", 0.1820, 0.1547),
    ("UltraGCN", 0.1862, 0.1580),
    ("SimpleX", 0.1872, 0.1557),
)
PUBLISHED = {"bb9b424dc9e0c8fb60cae6bb018cb828768b629306fd5c07c4af9c35fc891481": GOWALLA}
_METRICS = ("recall@20", "ndcg@20")


def read_tuning(path: Path) -> dict[str, Any] | None:
    """Return what `halfstep tune` wrote, or None where the file is something else."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and record.get("kind") == KIND else None


def markdown(record: dict[str, Any]) -> str:
    """Return the table of one search: baseline, published models, and the tuned one.

    Raises
    ------
    InputError
        A field is missing, or the search did not rank lists of 20.
    """
    try:
        return _markdown(record)
    except (KeyError, TypeError) as error:
        raise InputError(f"results of a search must have the field {error}") from None


def _markdown(record: dict[str, Any]) -> str:
    data, where, chosen = record["data"], record["environment"], record["chosen"]
    measured = record["test"]["models"]
    rows = [("popularity", *(measured["popularity"][m]["mean"] for m in _METRICS), "")]
    rows += [(name, *values, "published") for name, *values in PUBLISHED.get(data["hash"], ())]
    cells = [f"| {name} | {_short(r)} | {_short(n)} | {note} |" for name, r, n, note in rows]
    bounds = [measured["tuned"][m] for m in _METRICS]
    ours = (f"**{_short(m['mean'])}** ({_short(m['low'])}–{_short(m['high'])})" for m in bounds)
    cells.append(f"| **ALS, tuned** | {' | '.join(ours)} | {_settings(chosen)} |")
    took = record["seconds"]
    minutes = max(took["this run"], took["trials"] + took["last fit and test"]) / 60
    metric = record["metric"]
    asked = "" if metric == METRIC else f" --metric {metric}"
    budget = record["budget"]
    limit = f"trials {record['most_trials']}" if budget is None else f"budget {budget / 60:g}m"
    return "\n".join(
        [
            f"**{data['name']}: `halfstep tune{asked} --{limit}`** on "
            f"{where['cpu']}, {where['cores']} cores, {minutes:.0f} minutes in all",
            "",
            "| model | recall@20 | NDCG@20 | |",
            "| --- | ---: | ---: | --- |",
            *cells,
            "",
            f"Full ranking of {data['items']:,} items, seen ones left out; recall is hits over held-out "
            "items. In brackets the 95 % bootstrap interval over users. "
            f"{len(record['trials'])} trials on a validation part cut from the training part; the test "
            "part was used once, at the end.",
        ]
    )


def _settings(chosen: dict[str, Any]) -> str:
    of = {**chosen["settings"], "iterations": chosen["iterations"]}
    return ", ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in of.items())


def _short(value: float) -> str:
    return f"{value:.4f}".lstrip("0")
