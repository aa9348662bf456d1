"""Run the blocks of one page in their order, in a folder of its own, and compare what they print.

    python tests/site/page_run.py docs/how-to/csv.md            # exit code 1, and what differs
    python tests/site/page_run.py --write docs/how-to/csv.md    # puts what differs into the page

The process is the page's: its ```python blocks share one namespace, and they and the commands share the
folder. Each command has a shell of its own.
"""

from __future__ import annotations

import contextlib
import difflib
import doctest
import io
import os
import re
import subprocess
import sys
import tempfile
import traceback
import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from blocks import BadPage, Block, blocks_of, commands_of

ROOT = Path(__file__).resolve().parents[2]
# Unbuffered, so that output and errors come in the order in which a terminal shows them.
ENVIRONMENT = {
    "COLUMNS": "80",
    "NO_COLOR": "1",
    "HALFSTEP_PROGRESS": "off",
    "PYTHONUNBUFFERED": "1",
}
_TIME = re.compile(r"\b\d+(?:[.,]\d+)* ?(?:ms|s|min|h)\b")
_ANY = "..."
# What another processor may round otherwise: fractions, and the objective.
_NUMBER = re.compile(r"(?<![\w.])[-+−]?\d[\d,]*\.\d+(?![\w.])|(?<=objective )\d+")


@dataclass
class Ran:
    """What became of a block: the block with what it really printed, and what is wrong with it."""

    block: Block
    text: str
    problems: list[str] = field(default_factory=list)


class Page:
    """A page while it is run; `folder` is the working directory of all its blocks."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.path, self.folder = path, folder.resolve()
        self.namespace = types.ModuleType("__main__")
        # A process that this one starts finds no file to import, as if the blocks had been typed in.
        sys.modules["__main__"] = self.namespace
        programs = self.folder / ".programs"
        programs.mkdir()
        for name, what in (("halfstep", "-m halfstep "), ("python", "")):
            program = programs / name
            program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {what}"$@"\n')
            program.chmod(0o755)
        os.environ.update(ENVIRONMENT)
        os.environ["PATH"] = f"{programs}{os.pathsep}{os.environ['PATH']}"
        # This checkout's package; and the tests, whose emulator runs the CUDA kernels.
        here = [str(ROOT), str(ROOT / "tests")]
        sys.path[:0] = here
        os.environ["PYTHONPATH"] = os.pathsep.join(here)
        os.chdir(self.folder)

    def run(self) -> Iterator[Ran]:
        """Run the blocks that are to be run."""
        ways = {"python": self._python, "pycon": self._doctest, "console": self._console}
        for block in blocks_of(self.path.read_text(encoding="utf-8")):
            if block.runs:
                yield ways[block.language](block)

    def _python(self, block: Block) -> Ran:
        printed = io.StringIO()
        # The blank lines give a traceback the page's lines.
        code = "\n" * (block.line - 1) + block.text
        try:
            with contextlib.redirect_stdout(printed):
                exec(compile(code, str(self.path), "exec"), self.namespace.__dict__)
        except BaseException:
            return Ran(block, "", [traceback.format_exc()])
        if block.prints is None:
            return Ran(block, "")
        shown = block.prints.text.splitlines()
        output = self._clean(printed.getvalue())
        return Ran(block.prints, output, self.differences(shown, output))

    def _doctest(self, block: Block) -> Ran:
        parsed = doctest.DocTestParser().get_doctest(
            block.text, self.namespace.__dict__, self.path.name, str(self.path), block.line - 1
        )
        said = io.StringIO()
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
        failed = runner.run(parsed, out=said.write, clear_globs=False).failed
        self.namespace.__dict__.update(parsed.globs)
        return Ran(block, block.text, [said.getvalue()] if failed else [])

    def _console(self, block: Block) -> Ran:
        ran = Ran(block, "")
        commands = commands_of(block.text)
        for command in commands:
            done = subprocess.run(
                command.text, shell=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True, check=False,
            )  # fmt: skip
            differences = self.differences(command.shown, done.stdout)
            first = command.text.splitlines()[0]
            ran.problems += [f"$ {first}\n{difference}" for difference in differences]
            if not self._allowed(done.returncode, command.code, command.shown):
                ran.problems.append(f"$ {first}\nexit code {done.returncode}\n{done.stdout}")
            blank = "\n" * (command is not commands[-1])
            # As the comparison, the page does without blank lines and blanks at the end.
            output = [line for line in self._clean(done.stdout).splitlines() if line.strip()]
            said = "".join(f"{line.rstrip()}\n" for line in output) + blank
            if not differences:
                said = "".join(f"{line}\n" for line in command.shown)
            ran.text += f"$ {command.text}\n{said}"
        return ran

    @staticmethod
    def _allowed(code: int, stated: int | None, shown: list[str]) -> bool:
        """Return whether an exit code is what the page leads to expect."""
        if stated is not None:
            return code == stated
        last = [line.strip() for line in shown if line.strip()][-1:]
        return code == 0 or last not in ([], [_ANY])

    def differences(self, shown: list[str], printed: str) -> list[str]:
        """Return how the lines that a page shows differ from what was printed; [] if they do not."""
        expected = [part for line in shown if (part := _plain(line))]
        actual = [part for line in self._clean(printed).splitlines() if (part := _plain(line))]
        pattern = "".join(r"(?:.*\n)*?" if e == _ANY else _pattern(f"{e}\n") for e in expected)
        found = re.fullmatch(pattern, "".join(f"{line}\n" for line in actual))
        numbers = [number for e in expected if e != _ANY for number in _NUMBER.findall(e)]
        if found and all(map(_near, numbers, found.groups())):
            return []
        return ["\n".join(difflib.unified_diff(expected, actual, "shown", "printed", lineterm=""))]

    def _clean(self, printed: str) -> str:
        """Return what was printed, with the names of files as if the folder were not known."""
        return printed.replace(f"{self.folder}{os.sep}", "").replace(str(self.folder), ".")


def _plain(line: str) -> str:
    """Return a line without the seconds in it, and without what their length changes."""
    timed = _TIME.sub("TIME", line.rstrip())
    if timed != line.rstrip() or set(timed) <= set(" ─━"):
        timed = re.sub(r"([ ─━])\1+", r"\1", timed)
    return timed.strip() if set(timed) <= set(" ─━") else timed


def _pattern(line: str) -> str:
    """Return a pattern of the line with a group for each of its fractions."""
    between = map(re.escape, _NUMBER.split(line))
    return r"([-+−]?[\d,]+(?:\.\d+)?)".join(between)


def _near(shown: str, printed: str) -> bool:
    """Return whether a number is the one shown, but for what another processor rounds otherwise."""
    a, b = (float(text.replace(",", "").replace("−", "-")) for text in (shown, printed))
    last = 10.0 ** -len(shown.partition(".")[2])
    return abs(a - b) <= max(2 * last if "." in shown else 0, 0.01 * abs(a)) * (1 + 1e-9)


def write(path: Path, ran: list[Ran]) -> None:
    """Put what blocks with problems really printed into the page."""
    lines = path.read_text(encoding="utf-8").splitlines()
    for one in reversed(ran):
        if one.problems and one.text:
            first, count = one.block.line - 1, len(one.block.text.splitlines())
            lines[first : first + count] = [
                f"{one.block.indent}{line}".rstrip() for line in one.text.splitlines()
            ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Run a page and print what is wrong with it."""
    path = Path(arguments[-1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        try:
            ran = list(Page(path, Path(folder)).run())
        except BadPage as error:
            print(f"{path}: {error}")
            return 1
        finally:
            os.chdir(ROOT)
    for one in ran:
        for problem in one.problems:
            print(f"{path}:{one.block.line}:\n{problem}\n")
    if "--write" in arguments:
        write(path, ran)
    return 1 if any(one.problems for one in ran) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
