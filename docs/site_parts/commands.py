"""The help of a command as a part of a page: `{command} fit`, or of a group, `{command} data list`."""

from __future__ import annotations

import re
from typing import Any, get_args, get_origin

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
        made = self.parse_text_to_nodes(help_of(name, known[name]))
        for part in made:
            for table in part.findall(nodes.table):
                table["classes"].append("options")
        return made


def help_of(name: str, command: Any) -> str:
    """Return a command's help as Markdown."""
    shown = [p for p in command.params if p.name != "help" and not getattr(p, "hidden", False)]
    arguments = [p for p in shown if p.param_type_name == "argument"]
    usage = " ".join(
        [
            f"halfstep {name}",
            "[OPTIONS]" if shown != arguments else "",
            *(_placed(p) for p in arguments),
        ]
    )
    text = "\n\n".join(" ".join(part.split()) for part in (command.help or "").split("\n\n"))
    parts = [_escaped(text), f"```text\n{' '.join(usage.split())}\n```"]
    groups: dict[str, list[str]] = {}
    for p in shown:
        title = getattr(p, "rich_help_panel", None) or (
            "Arguments" if p.param_type_name == "argument" else "Options"
        )
        groups.setdefault(title, []).append(_row(p))
    for title, rows in groups.items():
        kind = "Argument" if title == "Arguments" else "Option"
        parts += [
            f"**{title}**",
            "\n".join([f"| {kind} | Meaning | Default |", "| --- | --- | --- |", *rows]),
        ]
    return "\n\n".join(parts)


def _placed(parameter: Any) -> str:
    word = parameter.metavar or parameter.name.upper()
    # A metavar of several words says itself which of them may be left out.
    return word if parameter.required or " " in word else f"[{word}]"


def _row(parameter: Any) -> str:
    said = " ".join((parameter.help or "").split())
    if parameter.param_type_name == "argument":
        names = f"`{_placed(parameter)}`"
    else:
        opts = [*parameter.opts, *parameter.secondary_opts]
        names = ", ".join(f"`{opt}`" for opt in sorted(opts, key=len, reverse=True))
        if not getattr(parameter, "is_flag", False):
            names += f" {_kind(parameter)}"
        if _repeated(parameter) and "repeat" not in said:
            said += " It may be given more than once."
    return f"| {names} | {_escaped(said)} | {_default(parameter)} |"


def _default(parameter: Any) -> str:
    """Return what holds without the option; nothing where its help says so or there is nothing."""
    if parameter.required:
        return "required"
    default = parameter.default
    if default is None or isinstance(default, bool) or callable(default) or default in ((), []):
        return ""
    if isinstance(default, list | tuple):
        default = ",".join(map(str, default))
    return f"`{_cell(str(getattr(default, 'value', default)))}`"


_KINDS = {"int": "integer", "float": "number", "str": "text", "Path": "path"}


def _annotation(parameter: Any) -> Any:
    """Return the Python type of an option's value, None in releases of Typer that do not keep it."""
    return getattr(getattr(parameter, "type_descriptor", None), "annotation", None)


def _repeated(parameter: Any) -> bool:
    return bool(getattr(parameter, "multiple", False)) or (
        get_origin(_annotation(parameter)) is list
    )


def _kind(parameter: Any) -> str:
    """Return the option's metavar, its choices, or in a word what its value is."""
    choices = getattr(getattr(parameter, "type", None), "choices", None)
    if parameter.metavar or choices:
        return f"`{_cell(parameter.metavar or '|'.join(map(str, choices)))}`"
    annotation = _annotation(parameter)
    if get_origin(annotation) is list:
        (annotation,) = get_args(annotation)
    name = getattr(annotation, "__name__", getattr(getattr(parameter, "type", None), "name", ""))
    return _KINDS.get(name, {"integer": "integer", "float": "number"}.get(name, "text"))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _escaped(text: str) -> str:
    """Return a help text as Markdown: its spans of code stay, and its options become some."""
    plain = re.sub(r"\[/?(?:bold|dim|italic)\]", "", text)
    spans = re.split(r"(`[^`]*`)", plain)
    for place in range(0, len(spans), 2):
        other = spans[place].replace("<", "&lt;").replace("*", "\\*").replace("\\t", "\\\\t")
        spans[place] = re.sub(r"(?<![\w-])(--[a-z][\w-]*)", r"`\1`", other)
    return _cell("".join(spans))


def setup(app: Any) -> None:
    """Add the directive."""
    app.add_directive("command", Command)
