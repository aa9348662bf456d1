"""The loops of a compiled kernel, and what their instructions do, read from the disassembler's listing.

A kernel spends its time in its innermost loops, so the instructions of a loop over the entries that one
turn of it takes are the issue slots of an entry. Branches within a loop are counted on all paths.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

_LABEL = re.compile(r"^\.(L_x_\d+):")
_LINE = re.compile(r"^\s+/\*[0-9a-f]{4,}\*/\s+(.*?)\s*;")
_BRANCH = re.compile(r"\bBRA\b.*`\(\.(L_x_\d+)\)")
_PREDICATE = re.compile(r"^@!?U?P\w+\s+")
_WORK = {
    "arithmetic": ("FFMA", "FMUL", "FADD", "DFMA", "DMUL", "DADD", "HMMA", "HFMA2"),
    "conversions": ("HADD2", "F2F", "F2FP", "PRMT", "I2F", "F2I"),
    "exchange": ("SHFL", "REDUX", "VOTE", "MATCH"),
    "memory": ("LDG", "STG", "LDS", "STS", "LDSM", "LDGSTS", "LD", "ST", "LDL", "STL"),
}
KINDS = (*_WORK, "other")


@dataclass(frozen=True)
class Loop:
    """An innermost loop: how often each instruction stands in it, with its width, `LDG.128`."""

    instructions: Counter[str]

    @property
    def length(self) -> int:
        """Number of instructions."""
        return self.instructions.total()

    def has(self, name: str) -> bool:
        """Return whether an instruction stands in the loop."""
        return self.instructions[name] > 0

    def by_kind(self) -> dict[str, int]:
        """Return the number of instructions of each of `KINDS`."""
        found = dict.fromkeys(KINDS, 0)
        for name, count in self.instructions.items():
            plain = name.split(".")[0]
            kind = next((kind for kind, names in _WORK.items() if plain in names), "other")
            found[kind] += count
        return found


def innermost_loops(listing: str, kernel: str) -> list[Loop]:
    """Return the innermost loops of a kernel in the order of its code.

    Parameters
    ----------
    listing
        What `nvdisasm -c` prints.

    Raises
    ------
    KeyError
        The listing has no such kernel.
    """
    instructions, labels = _code(listing, kernel)
    spans = []
    for place, instruction in enumerate(instructions):
        target = _BRANCH.search(instruction)
        begin = labels.get(target[1]) if target else None
        if begin is not None and begin < place:  # a kernel ends with a branch to itself
            spans.append((begin, place))
    inner = [
        span
        for span in spans
        if not any(span != other and span[0] <= other[0] and other[1] <= span[1] for other in spans)
    ]
    return [Loop(Counter(map(_name, instructions[a : b + 1]))) for a, b in sorted(inner)]


def _code(listing: str, kernel: str) -> tuple[list[str], dict[str, int]]:
    """Return a kernel's instructions, and the place of each label among them."""
    sections = {
        section.split(":", 1)[0]: section
        for section in re.split(r"^\.text\.", listing, flags=re.MULTILINE)[1:]
    }
    instructions: list[str] = []
    labels: dict[str, int] = {}
    for line in sections[kernel].splitlines():
        label, code = _LABEL.match(line), _LINE.match(line)
        if label:
            labels[label[1]] = len(instructions)
        elif code:
            instructions.append(code[1])
    return instructions, labels


def _name(instruction: str) -> str:
    """Return an instruction's name, with the bits of a wide load or store."""
    name = _PREDICATE.sub("", instruction).split()[0]
    plain, *details = name.split(".")
    width = next((detail for detail in details if detail in ("64", "128")), None)
    return f"{plain}.{width}" if width and plain in _WORK["memory"] else plain
