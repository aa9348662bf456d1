"""Results of both stages to what is committed: `make gpu-report FILES="first.jsonl second.jsonl"`.

It writes a results file named after the card, in the folder gpu of `bench/results`, draws the roofline
picture beside docs/measurements.md, and rewrites the tables of README.md and of that page. Results of
the emulator are refused, unless `--emulated` says that they are meant.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from halfstep.bench.gpu.device import ROOT
from halfstep.bench.gpu.record import GpuResults
from halfstep.bench.gpu.results.collect import collect
from halfstep.bench.gpu.results.roofline import draw
from halfstep.bench.report.markdown import rewrite
from halfstep.errors import InputError
from halfstep.files import write_json

PICTURES = "pictures"


def main(arguments: list[str] | None = None) -> int:
    """Write all of it; exit code 0, or 1 with the reason where the files are not fit for it."""
    parser = argparse.ArgumentParser(
        description=__doc__, prog="python -m halfstep.bench.gpu.results.report"
    )
    parser.add_argument("files", nargs="+", type=Path, help="results.jsonl of the stages")
    parser.add_argument("--emulated", action="store_true", help="take results of the emulator")
    parser.add_argument("--root", type=Path, default=ROOT, help="repository to write to; this one")
    options = parser.parse_args(arguments)
    try:
        written = report(options.files, options.root, options.emulated)
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(f"wrote {file}" for file in written))
    return 0


def report(files: Sequence[Path], root: Path, emulated: bool = False) -> list[Path]:
    """Write the results file, the picture and the pages below `root`; return the paths.

    Raises
    ------
    InputError
        See `collect` and `halfstep.bench.report.markdown.rewrite`; or the results are of the emulator
        and `emulated` is False.
    """
    results = collect(files)
    if results.emulated and not emulated:
        raise InputError("the results are of the emulator, which has no speeds: nothing is written")
    name = device_name(results)
    picture = root / "docs" / PICTURES / f"{name}.svg"
    written = [root / "bench" / "results" / "gpu" / f"{name}.json"]
    if draw(results, picture):
        results.picture = f"{PICTURES}/{picture.name}"
        written.append(picture)
    written[0].parent.mkdir(parents=True, exist_ok=True)
    write_json(written[0], results)
    for line in results.left_out:
        print(line)
    for page in (root / "README.md", root / "docs" / "measurements.md"):
        rewrite(page, root / "bench" / "results")
        written.append(page)
    return written


def device_name(results: GpuResults) -> str:
    """Return the name of the results file: the card's, in lower case with hyphens."""
    if results.emulated:
        return "emulator"
    card = (results.environment.gpu or "gpu").split(",")[0].lower()
    return "-".join("".join(c if c.isalnum() else " " for c in card).split())


if __name__ == "__main__":
    sys.exit(main())
