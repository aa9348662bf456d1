"""The help of a command as a part of a page: `{command} fit`, or of a group, `{command} data list`."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective
from typer.main import get_command

from halfstep.cli.main import app as program


def commands() -> dict[str, Any]:
    """Return all commands by name, those of a group as `data list`."""
    found: dict[str, Any] = {}

    def walk(prefix: str, command: Any) -> None:
        children = getattr(command, "commands", None)
        if children is None:
            found[prefix] = command
        for name, child in (children or {}).items():
            walk(f"{prefix} {name}".strip(), child)

    walk("", get_command(program))
    return found


class Command(SphinxDirective):
    """A command's usage, its arguments and its options, as `--help` has them."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Return its text, and a table of its arguments and options for each group of them."""
        known = commands()
        name = " ".join(self.arguments[0].split())
        if name not in known:
            raise self.error(f"no command {name}; there are {', '.join(known)}")
        return self.parse_text_to_nodes(help_of(name, known[name]))


def help_of(name: str, command: Any) -> str:
    """Return a command's help as Markdown."""
    shown = [p for p in command.params if p.name != "help" and not getattr(p, "hidden", False)]
    arguments = [p for p in shown if p.param_type_name == "argument"]
    usage = " ".join(
        [
            f"halfstep {name}",
            *(_placed(p) for p in arguments),
            "[OPTIONS]" if shown != arguments else "",
        ]
    )
    text = "\n\n".join(" ".join(part.split()) for part in (command.help or "").split("\n\n"))
    parts = [text, f"```text\n{usage.strip()}\n```"]
    groups: dict[str, list[str]] = {}
    for p in shown:
        title = getattr(p, "rich_help_panel", None) or (
            "Arguments" if p.param_type_name == "argument" else "Options"
        )
        groups.setdefault(title, []).append(_row(p))
    for title, rows in groups.items():
        parts += [f"**{title}**", "\n".join(["| | |", "| --- | --- |", *rows])]
    return "\n\n".join(parts)


def _placed(parameter: Any) -> str:
    word = parameter.human_readable_name.upper()
    return word if parameter.required else f"[{word}]"


def _row(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        names = f"`{_placed(parameter)}`"
    else:
        opts = [*parameter.opts, *parameter.secondary_opts]
        names = ", ".join(f"`{opt}`" for opt in opts)
        if not getattr(parameter, "is_flag", False):
            names += f" {_kind(parameter)}"
    said = " ".join((parameter.help or "").split())
    default = parameter.default
    if default not in (None, False, (), []) and not callable(default) and "default" not in said:
        said += f" Default: `{getattr(default, 'value', default)}`."
    if parameter.required and parameter.param_type_name == "option":
        said += " Required."
    return f"| {names} | {_escaped(said)} |"


def _kind(parameter: Any) -> str:
    metavar = parameter.metavar
    if metavar:
        return f"`{metavar}`"
    choices = getattr(parameter.type, "choices", None) if hasattr(parameter, "type") else None
    return f"`{'|'.join(map(str, choices))}`" if choices else ""


def _escaped(text: str) -> str:
    plain = re.sub(r"\[/?(?:bold|dim|italic)\]", "", text)
    return plain.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def setup(app: Any) -> None:
    """Add the directive."""
    app.add_directive("command", Command)
