"""Write docs/reliability.md from soaks: `python tests/faults/reliability.py RECORD... PAGE`.

Sections of the page that the records have nothing of stay, if all rounds were run: so a part of the
soak, `make soak ARGS=tests/cluster`, writes its own section anew.
"""

import json
import platform
import re
import sys
from collections import Counter
from itertools import groupby
from pathlib import Path

HEAD = """# What was broken on purpose, and what came of it

`make soak` writes this page from its own record. Every row is a fault that was really caused, so many
times, at random moments or with random damage from fixed seeds, and what came of it; any other outcome
fails the run. Fits are compared with an undisturbed one bit by bit.
"""
INTRODUCTIONS = {
    "Long fits": (
        "Fits with checkpoints that are killed (SIGKILL) and interrupted (SIGINT) in processes of "
        "their own, models saved while the process is killed, the disk is full (a mounted file system "
        "of 256 KiB) or files may not grow (RLIMIT_FSIZE)."
    ),
    "Hostile files": (
        "Bits flipped, bytes cut, doubled, moved and overwritten, and whole archives with wrong members "
        "under right checksums. What is read after that is checked: a canonical matrix of finite "
        "values, a model that answers. A checkpoint is read only where the damage left its bytes as "
        "they were."
    ),
    "Command line": (
        "Every option of every command with values of the wrong kind, out of range, absent, empty, very "
        "long, or naming the wrong file."
    ),
    "Fits over workers": (
        "Workers of a Dask cluster on one machine, killed (SIGKILL) or stopped (SIGSTOP) in each phase "
        "of a half-step or at random moments, the second time often while the fit recovers; a disk that "
        "is full, a scheduler that is gone."
    ),
    "Numbers": "Row pointers that begin beyond 2^31, and fits repeated on the same threads.",
}
MEASURED = {
    "Memory": (
        "The peak of resident memory that a fit adds, over the estimate that is compared with the free "
        "memory before it. Above 1 the estimate is too low."
    ),
    "Fits over workers": "The longest, with the start of a new process and the compiling of its loops.",
    "Numbers": "The largest difference or share that was seen, and the limit that the tests hold it to.",
}


def page(record):
    """Return the page as Markdown."""
    share = "" if record["share"] == 1 else f" at {record['share']:g} of its rounds"
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    total = sum(rounds for *_, rounds in record["counts"])
    lines = [HEAD, f"{total:,} rounds{share}, on {system}.", ""]
    for section, rows in groupby(record["counts"], key=lambda row: row[0]):
        lines += [f"## {section}", "", INTRODUCTIONS[section], ""]
        lines += ["| fault | outcome | rounds |", "| --- | --- | ---: |"]
        lines += [f"| {_cell(f)} | {_cell(o)} | {n:,} |" for _, f, o, n in rows]
        lines.append("")
    for section, rows in groupby(record["worst"], key=lambda row: row[0]):
        lines += [f"## {section}, measured", "", MEASURED[section], ""]
        lines += ["| what | measured | limit |", "| --- | ---: | ---: |"]
        lines += [f"| {_cell(what)} | {value:g} | {limit:g} |" for _, what, value, limit in rows]
        lines.append("")
    return "\n".join(lines)


def _cell(text):
    return text.replace("|", "\\|")


def written(text):
    """Return the rows of a page's tables, as a record has them: counts and worst."""
    found, section = {"counts": [], "worst": []}, ""
    for line in text.splitlines():
        if line.startswith("## "):
            section, _, measured = line[3:].partition(", ")
            kind, number = ("worst", float) if measured else ("counts", int)
        elif line.startswith("| ") and not line.startswith(("| fault ", "| what ", "| ---")):
            cells = [c.replace("\\|", "|") for c in re.split(r"(?<!\\) \| ", line[2:-2])]
            texts = 1 if kind == "worst" else 2
            numbers = [number(cell.replace(",", "")) for cell in cells[texts:]]
            found[kind].append([section, *cells[:texts], *numbers])
    return found


def main(*paths):
    """Write the page of one record or, where a run was made in parts, of several."""
    *sources, target = map(Path, paths)
    records = [json.loads(source.read_text()) for source in sources]
    if target.exists() and all(record["share"] == 1 for record in records):
        new = {row[0] for record in records for kind in ("counts", "worst") for row in record[kind]}
        old = written(target.read_text())
        kept = {kind: [row for row in rows if row[0] not in new] for kind, rows in old.items()}
        records.append({"share": 1, **kept})
    counts, worst = Counter(), {}
    for record in records:
        for *key, rounds in record["counts"]:
            counts[tuple(key)] += rounds
        for *key, value, limit in record["worst"]:
            worst[tuple(key)] = (max(value, worst.get(tuple(key), (value,))[0]), limit)
    whole = {
        "share": min(record["share"] for record in records),
        "counts": [(*key, rounds) for key, rounds in sorted(counts.items())],
        "worst": [(*key, *values) for key, values in sorted(worst.items())],
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page(whole))


if __name__ == "__main__":
    main(*sys.argv[1:])
