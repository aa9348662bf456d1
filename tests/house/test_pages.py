"""README and docs: what they show is what the program prints, and no number is typed by hand."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from halfstep.bench.report import markdown
from halfstep.solvers import choose

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_five_lines_print_what_the_readme_says():
    if choose("auto").device == "gpu":
        pytest.skip("a GPU rung would fit; the page shows the CPU's")
    (code,) = re.findall(r"^```python\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    (shown,) = re.findall(r"^```text\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    assert len(list(filter(None, code.splitlines()))) == 5
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == shown


def test_the_four_commands_print_what_the_readme_says(tmp_path):
    if choose("auto").device == "gpu":
        pytest.skip("a GPU rung would fit; the page shows the CPU's")
    (block,) = re.findall(r"^```console\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    shown = block.split("$ halfstep ")[1:]
    assert len(shown) == 4
    environment = {**os.environ, "COLUMNS": "80", "PYTHONPATH": str(ROOT)}
    for command, expected in (part.split("\n", 1) for part in shown):
        done = subprocess.run(
            [sys.executable, "-m", "halfstep", *shlex.split(command)],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert lines_of(done.stdout) == lines_of(expected), command


def lines_of(text):
    """The lines that are not blank, without their times and blanks at the end."""
    stripped = (re.sub(r"\d+(\.\d+)? s\b", "TIME", line).rstrip() for line in text.splitlines())
    return [line for line in stripped if line]


@pytest.mark.parametrize("page", ["README.md", "docs/measurements.md", "docs/limits.md"])
def test_a_page_is_what_the_results_files_make_of_it(page, tmp_path):
    copy = tmp_path / "page.md"
    shutil.copy(ROOT / page, copy)
    markdown.rewrite(copy, ROOT / "bench" / "results")
    assert copy.read_text() == (ROOT / page).read_text(), f"make table changes {page}"


def test_the_readme_is_short_and_names_all_extras():
    assert len(README.splitlines()) <= 200
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    section = pyproject.split("[project.optional-dependencies]")[1].split("\n[")[0]
    extras = re.findall(r"^(\w+) = \[", section, re.MULTILINE)
    table = README.split("| extra |")[1].split("\n\n")[0]
    named = [name for line in table.splitlines()[2:] for name in line.split("|")[1].split(",")]
    assert sorted(name.strip(" `") for name in named) == sorted(extras)


def test_the_glossary_is_in_order_and_says_where_things_are():
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    entries = [" ".join(entry.split()) for entry in text.split("\n* ")[1:]]
    terms = [re.match(r"\*\*([^*]+)\*\*", entry)[1].lower() for entry in entries]
    assert terms == sorted(terms)
    assert len(set(terms)) == len(terms)
    assert [entry for entry in entries if not re.search(r"`\w+/[\w/.]*`", entry)] == []
