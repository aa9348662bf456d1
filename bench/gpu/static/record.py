"""The record of the catalogue's kernels: registers, shared memory, spills and load widths.

Run as `python -m halfstep.bench.gpu.static.record [FILE] [--all]`, without a GPU; FILE is
`bench/gpu/static/kernels.json` by default. A few variants of each `.cu` file, evenly spread from the
first to the last, stand for the others; `--all` compiles all of them (ten minutes). A variant that the
same NVRTC compiled from the same text before is not compiled again.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from halfstep.bench.gpu.static.compiler import (
    ARCHITECTURES,
    Compiled,
    compile_kernels,
    nvrtc_version,
    why_not,
)
from halfstep.files import whole_file
from halfstep.kernels.cuda.catalogue import CATALOGUE
from halfstep.kernels.cuda.sources import source

RECORD = Path(__file__).parent / "kernels.json"
PER_FILE = 4


@dataclass(frozen=True)
class Variant:
    """One compilation: a file, its definitions, an architecture."""

    file: str
    defines: tuple[str, ...]
    architecture: int

    @property
    def key(self) -> str:
        """The name of the variant in the record."""
        return f"{self.file} {' '.join(self.defines)} sm_{self.architecture}"

    @property
    def wide(self) -> int | None:
        """The numbers in a stored row, where the definitions say them."""
        return next((int(d[5:]) for d in self.defines if d.startswith("WIDE=")), None)

    @property
    def digest(self) -> str:
        """A hash of the text that is compiled."""
        return hashlib.sha256(source(self.file).encode()).hexdigest()[:16]


def variants(
    architectures: Iterable[int] = ARCHITECTURES, most: int | None = PER_FILE
) -> list[Variant]:
    """Return at most `most` variants of each file of the catalogue, evenly spread; None for all."""
    chosen = []
    for file, entry in CATALOGUE.items():
        last = len(entry.variants) - 1
        number = last + 1 if most is None else min(most, last + 1)
        places = sorted({round(i * last / max(number - 1, 1)) for i in range(number)})
        chosen += [
            Variant(file, entry.variants[place], architecture)
            for place in places
            for architecture in architectures
            if architecture >= entry.least_architecture
        ]
    return chosen


def compiled(variant: Variant) -> dict[str, Compiled]:
    """Compile a variant and return its kernels by name."""
    return compile_kernels(
        source(variant.file), variant.file, variant.architecture, variant.defines
    )


def read_record(path: Path = RECORD) -> dict[str, Any]:
    """Return the record in a file, or an empty one where there is no file."""
    if not path.exists():
        return {"nvrtc": "", "variants": {}}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def make_record(known: dict[str, Any], wanted: Iterable[Variant]) -> dict[str, Any]:
    """Return the record of the wanted variants; entries of `known` that still hold are taken over."""
    version = nvrtc_version()
    entries: dict[str, Any] = {}
    missing = []
    for variant in wanted:
        entry = known["variants"].get(variant.key)
        if known["nvrtc"] == version and entry and entry["source"] == variant.digest:
            entries[variant.key] = entry
        else:
            missing.append(variant)
    # NVRTC does not hold the interpreter's lock.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for variant, kernels in zip(missing, pool.map(compiled, missing), strict=True):
            facts = {name: asdict(kernel) for name, kernel in kernels.items()}
            entries[variant.key] = {"source": variant.digest, "kernels": facts}
    return {"nvrtc": version, "variants": dict(sorted(entries.items()))}


def write_record(record: dict[str, Any], path: Path = RECORD) -> None:
    """Write a record with a line for each variant, so that a diff shows the variants that changed."""
    lines = (f"{json.dumps(k)}: {json.dumps(v)}" for k, v in record["variants"].items())
    text = f'{{"nvrtc": "{record["nvrtc"]}", "variants": {{\n' + ",\n".join(lines) + "\n}}\n"
    with whole_file(path) as file:
        file.write(text.encode())


if __name__ == "__main__":
    reason = why_not()
    if reason:
        sys.exit(reason)
    named = [argument for argument in sys.argv[1:] if argument != "--all"]
    target = Path(named[0]) if named else RECORD
    result = make_record(
        read_record(target), variants(most=None if "--all" in sys.argv else PER_FILE)
    )
    write_record(result, target)
    print(f"{target}: {len(result['variants'])} variants by NVRTC {result['nvrtc']}")
