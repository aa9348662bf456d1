"""Published results beside ours with the same settings, from a file of `halfstep evaluate --preset`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from halfstep.errors import InputError


def read_published(path: Path) -> list[dict[str, Any]] | None:
    """Return what `halfstep evaluate --preset NAME --json` wrote, or None for any other file.

    Among the files in the folder of results only this one holds a list.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, list) else None


def markdown(rows: list[dict[str, Any]]) -> str:
    """Return the table, with a line for each published result.

    Raises
    ------
    InputError
        A row lacks a field.
    """
    lines = [
        "| source | HR@10 | published | NDCG@10 | published |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    try:
        for row in rows:
            source = row["published"]
            pairs = ((row[m], source[m]) for m in ("hit_rate", "ndcg"))
            cells = [f"{value:.4f}".lstrip("0") for pair in pairs for value in pair]
            lines.append(f"| {' | '.join([source['source'], *cells])} |")
    except (KeyError, TypeError) as error:
        raise InputError(f"published results must have the field {error}") from None
    return "\n".join(lines)
