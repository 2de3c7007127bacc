"""Generate the parts of docs/reference that describe settings and commands; a test checks that they are current."""

import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click

from loom.runtime.option_spec import Option, Section
from loom.runtime.settings import options

from .flags import Flag
from .root import make_command

_BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_DOCUMENT = re.compile(r"docs/([\w/-]+)\.md")
_WIDTH = 120


def update(document: str) -> str:
    """Return the document, with the parts between ``<!-- generated: NAME -->`` and ``<!-- end -->`` regenerated."""
    parts = {"settings": settings_reference, "commands": commands_reference}
    text, count = _BLOCK.subn(lambda match: f"{match[1]}\n{parts[match[2]]()}\n{match[3]}", document)
    if count == 0:
        raise ValueError("the document has no <!-- generated: NAME --> … <!-- end -->")
    return text


def settings_reference() -> str:
    """Return Markdown: a table per section, a row per setting."""
    return "\n\n".join(f"## {section}\n\n{_settings(section)}" for section in Section) + "\n"


def _settings(section: Section) -> str:
    rows = [_setting(option) for option in options() if option.spec.section is section]
    header = (
        "| flag | variable | key | default | reload | description |\n| --- | --- | --- | --- | --- | --- |\n"
    )
    return header + "\n".join(rows)


def _setting(option: Option) -> str:
    value = "" if option.type.is_switch else f" {option.type.metavar}"
    flag = f"`{option.flag}{value}`"
    if option.negative_flag:
        flag += f", `{option.negative_flag}`"
    description = option.spec.help
    if option.type.multiple:
        description += " May be repeated; an array in the file."
    if not option.type.is_switch:
        description += f" Value: {option.type.description}."
    default = option.spec.default_help or (f"`{option.default_text}`" if option.default_text else "")
    effect = option.spec.effect.value
    return _row(flag, f"`{option.variable}`", f"`{option.key}`", default, effect, description)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def commands_reference() -> str:
    """Return Markdown: a section per command with its usage, description and options."""
    root = make_command()
    context = click.Context(root, info_name="loom", **root.context_settings)
    return "\n".join(map(_command, _contexts(root, context)))


def _contexts(command: click.Command, context: click.Context) -> Iterator[click.Context]:
    """The contexts of a command and of all its subcommands."""
    yield context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            subcommand = command.get_command(context, name)
            if subcommand is not None:
                inner = click.Context(subcommand, parent=context, info_name=name)
                yield from _contexts(subcommand, inner)


def _command(context: click.Context) -> str:
    command = context.command
    rows = [_option(parameter, context) for parameter in command.get_params(context)]
    # The settings of the proxy, which are its own flags, are described in configuration.md.
    is_root = context.parent is None
    shown = [text for text, setting in rows if text and not setting]
    parts = [f"## `{context.command_path}`", f"```text\n{_usage(context)}\n```", *_description(command)]
    if is_root:
        parts.append(
            "Without a command, Loom runs the proxy. Its flags are the [settings](configuration.md), and these:"
        )
    if shown:
        parts.append("\n".join(["| option | description |", "| --- | --- |", *shown]))
    return "\n\n".join(parts) + "\n"


def _usage(context: click.Context) -> str:
    """The usage line. Its words for a group are ours, as click's differ between the releases that Loom allows."""
    command = context.command
    arguments = [piece for item in command.get_params(context) for piece in item.get_usage_pieces(context)]
    if isinstance(command, click.Group):
        arguments.append("[COMMAND] …" if command.invoke_without_command else "COMMAND …")
    return " ".join([context.command_path, "[OPTIONS]", *arguments])


def _option(parameter: click.Parameter, context: click.Context) -> tuple[str, bool]:
    """The row of an option, empty if it is hidden or an argument, and whether it is a setting."""
    record = parameter.get_help_record(context)
    if not isinstance(parameter, click.Option) or record is None:
        return "", False
    names, text = record
    return _row(f"`{names}`", _linked(re.sub(r"  +", " ", text))), isinstance(parameter, Flag)


def _description(command: click.Command) -> Iterator[str]:
    """The paragraphs of a help text; those that click does not wrap become code."""
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        if paragraph.startswith("\b\n"):
            yield f"```text\n{textwrap.dedent(paragraph[2:])}\n```"
        elif paragraph:
            text = _linked(" ".join(paragraph.split()))
            yield textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


def _linked(text: str) -> str:
    """A text whose mentions of documents are links."""

    def link(match: re.Match[str]) -> str:
        folder, _, name = match[1].rpartition("/")
        path = f"{name}.md" if folder == "reference" else f"../{match[1]}.md"
        return f"[{name}]({path})"

    return _DOCUMENT.sub(link, text)


def main(arguments: list[str]) -> None:
    """Update the generated parts of each of these files."""
    for argument in arguments:
        document = Path(argument)
        document.write_text(update(document.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
