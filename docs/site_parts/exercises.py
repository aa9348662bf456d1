"""A rung's exercise on its page: what is to be written, and how it is checked."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from halfstep.errors import InputError


class Exercise(SphinxDirective):
    """The head and the docstring of a function that a reader writes, and the command that checks it."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the function and the command."""
        from halfstep.lab.ladder import stub

        name = self.arguments[0]
        try:
            text = stub(name)
        except InputError as error:
            raise self.error(str(error)) from error
        return self.parse_text_to_nodes(
            "Write this function in a file of your own:\n\n"
            f"```python\n{text}\n```\n\n"
            "and have it checked. Where it is wrong, the check says where, what was expected and what "
            "came:\n\n"
            f"```bash\nhalfstep lab check mine.py {name}\n```"
        )


def setup(app: Any) -> None:
    """Add the directive."""
    app.add_directive("exercise", Exercise)
