"""Find the code blocks of a Markdown page: what they are, where they are, and why one is not run.

A block after a line `<!-- not run: REASON -->` or `% not run: REASON` is not run; one after
`<!-- needs: MODULE -->` only where the module is installed. Directives are containers, whose own text is
not looked at: blocks in tabs and cards are found.
"""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass, replace

RUN = ("python", "pycon", "console")
# After backticks, a line with more of them is text.
_FENCE = re.compile(r"(?P<indent>\s*)(?P<fence>`{3,}(?!.*`)|~{3,}|:{3,})\s*(?P<rest>.*?)\s*$")
_MARK = re.compile(r"\s*(?:<!--\s*not run:(?P<html>.*)-->|%\s*not run:(?P<myst>.*))\s*$")
_NEEDS = re.compile(r"\s*(?:<!--\s*needs: (?P<html>\w+) -->|%\s*needs: (?P<myst>\w+))\s*$")
_NEARLY = re.compile(r"\s*(?:<!--|%)\s*(?:not run|needs)\b")
_THERE = "what it needs is there"
_BETWEEN = re.compile(r"\s*(?::[\w-]+:.*)?$")  # blank, or an option of a directive


class BadPage(Exception):
    """A page's blocks cannot be told."""


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes
    ----------
    language, text
        What its fence names, and what is between its fences, without their indentation.
    line
        Number of the text's first line in the page, from 1.
    indent
        What stands before its fences.
    reason
        Why the block is not run; "" if it is.
    prints
        The ```text block directly after a ```python block.
    """

    language: str
    text: str
    line: int
    indent: str = ""
    reason: str = ""
    prints: Block | None = None

    @property
    def runs(self) -> bool:
        """Whether the block is run."""
        return self.language in RUN and not self.reason


def blocks_of(page: str) -> list[Block]:
    """Return a page's blocks in their order, without those that a block before them prints."""
    found: list[Block] = []
    containers: list[str] = []
    fence, taken, mark, joined = "", [""], "", False
    block = Block("", "", 0)
    for number, line in enumerate(page.splitlines(), 1):
        opening = _FENCE.match(line)
        if fence:
            if _closes(opening, fence):
                text = "".join(f"{part.removeprefix(block.indent)}\n" for part in taken)
                _add(found, replace(block, text=text), joined)
                fence, joined = "", True
            else:
                taken.append(line)
            continue
        marked, needs = _MARK.match(line), _NEEDS.match(line)
        if needs:
            module = needs["html"] or needs["myst"]
            mark = _THERE if importlib.util.find_spec(module) else f"needs {module}"
        elif marked:
            reason = (marked["html"] or marked["myst"] or "").strip()
            if not reason:
                raise BadPage(f"line {number}: `not run` needs a reason")
            mark = reason
        elif _NEARLY.match(line):
            raise BadPage(
                f"line {number}: write <!-- not run: REASON --> or <!-- needs: MODULE -->"
            )
        elif opening is None:
            if mark and not _BETWEEN.match(line):
                raise BadPage(f"line {number}: a mark must stand right before a block")
        elif containers and _closes(opening, containers[-1]):
            containers.pop()
        elif opening["rest"].startswith("{") or opening["fence"].startswith(":"):
            containers.append(opening["fence"])
        else:
            language = opening["rest"].split()[0] if opening["rest"] else ""
            reason = "" if mark == _THERE else mark
            block = Block(language, "", number + 1, opening["indent"], reason)
            fence, taken, mark = opening["fence"], [], ""
            continue
        joined = joined and not line.strip()
    if fence or mark:
        raise BadPage("the page ends in an open block, or after a mark")
    return found


def _closes(line: re.Match[str] | None, fence: str) -> bool:
    """Return whether a line closes what `fence` opened."""
    return line is not None and not line["rest"] and line["fence"].startswith(fence)


def _add(found: list[Block], block: Block, joined: bool) -> None:
    """Add a block, or hand it to the ```python block that stands right before it."""
    after_python = joined and found[-1].language == "python" and found[-1].prints is None
    if after_python and block.language == "text":
        found[-1] = replace(found[-1], prints=block)
    else:
        found.append(block)


@dataclass(frozen=True)
class Command:
    """A command of a ```console block, and what it is shown to print.

    Attributes
    ----------
    text
        With continued lines and here-documents, as the shell takes it.
    code
        The exit code that a comment `# exit code N` at the end of the command's line says, or None.
    shown
        The lines up to the next command.
    """

    text: str
    code: int | None
    shown: list[str]


def commands_of(block: str) -> list[Command]:
    """Return the commands of a ```console block: lines after `$ `, with what belongs to them."""
    lines = block.splitlines()
    found: list[Command] = []
    while lines:
        line = lines.pop(0)
        if not line.startswith("$ "):
            if not found and line.strip():
                raise BadPage(f"a console block must begin with a command, got {line!r}")
            if found:
                found[-1].shown.append(line)
            continue
        command = [line[2:]]
        while command[-1].endswith("\\") and lines:
            command.append(lines.pop(0).removeprefix("> "))
        for _, end in re.findall(r"<<-?\s*(['\"]?)(\w+)\1", command[-1]):
            if end not in lines:
                raise BadPage(f"no line {end} ends the text of {command[0]!r}")
            last = lines.index(end) + 1
            command, lines = command + lines[:last], lines[last:]
        stated = re.search(r"# exit code (\d+)\s*$", command[0])
        found.append(Command("\n".join(command), int(stated[1]) if stated else None, []))
    return found
