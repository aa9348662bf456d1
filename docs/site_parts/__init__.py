"""The parts of the site that Sphinx does not have: each module adds directives, or pages to read."""

from __future__ import annotations

from typing import Any

from site_parts import (
    accessible,
    arguments,
    commands,
    drawing,
    exercises,
    formulas,
    measured,
    notebook,
    palette,
    reference,
    reports,
    source_files,
)


def setup(app: Any) -> dict[str, bool]:
    """Add all parts to Sphinx's application."""
    parts = (
        *(palette, source_files, formulas, drawing, measured, exercises, commands, notebook),
        *(reports, reference, arguments, accessible),
    )
    for part in parts:
        part.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
