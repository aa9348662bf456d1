"""A table in Markdown, and text that Markdown shall not read as markup."""

from __future__ import annotations

from collections.abc import Iterable

from halfstep.bench.report.tables import Table


def markdown_table(table: Table) -> str:
    """Return a table without its title, and its notes as a list below it."""
    rules = ("---:" if numeric else "---" for numeric in table.numeric)
    lines = [
        _line(table.headings),
        _line(rules),
        *(_line(map(escaped, line)) for line in table.lines),
    ]
    notes = "\n".join(f"- {escaped(note)}" for note in table.notes)
    return "\n".join(lines) + (f"\n\n{notes}" if notes else "")


def escaped(value: str) -> str:
    """Escape what Markdown would read as markup or as the end of a cell."""
    for character in ("\\", "|", "<", "*", "`", "["):
        value = value.replace(character, f"\\{character}")
    return " ".join(value.split())


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
