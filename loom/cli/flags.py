"""click options out of the settings: one flag each, and a negative one where a setting can be off."""

from collections.abc import Iterator, Mapping
from typing import Any

import click
from click.shell_completion import CompletionItem

from loom.runtime.settings import Option, Section, options

_OFF = "no_"
_FILES = {"FILE": "file", "PATH": "file", "DIR": "dir"}
SECTIONS = tuple(section.value for section in Section)


class Flag(click.Option):
    """A flag that knows the heading it is listed under in ``--help``, and what may follow it."""

    def __init__(self, *args: Any, section: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.section = section

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The words that it takes, or files; of ``--session`` those that there are."""
        if self.name == "session":
            from .completion import existing_session  # noqa: PLC0415 (it imports more than a flag needs)

            return existing_session(ctx, self, incomplete)
        alternatives = str(self.metavar).split("|")
        for kind in alternatives:
            if kind in _FILES:
                return [CompletionItem(incomplete, type=_FILES[kind])]
        return [
            CompletionItem(word)
            for word in alternatives
            if word.islower() and word.isalpha() and word.startswith(incomplete)
        ]


def flags() -> Iterator[click.Parameter]:
    """All flags, in the order of the help. Values stay raw: :mod:`loom.runtime.config_loading` reads them."""
    for option in options():
        yield from _flags(option)


def _flags(option: Option) -> Iterator[Flag]:
    if option.form.switch:
        spelled = option.flag if option.negative is None else f"{option.flag}/{option.negative}"
        yield Flag(
            [spelled, option.name],
            is_flag=True,
            default=None,
            help=_help(option),
            section=option.section,
        )
        return
    yield Flag(
        [option.flag, option.name],
        metavar=option.form.metavar,
        multiple=option.form.many,
        default=None,
        help=_help(option),
        section=option.section,
    )
    if option.negative is not None:
        yield Flag(
            [option.negative, _OFF + option.name],
            is_flag=True,
            default=None,
            help=f"The same as {option.flag} off.",
            section=option.section,
        )


def _help(option: Option) -> str:
    extra = "May be repeated." if option.form.many else ""
    default = option.shown_default
    shown = f"[default: {default}]" if default and default != "false" else ""
    return " ".join(part for part in (option.help, extra, shown) if part)


def given(parameters: Mapping[str, Any]) -> dict[str, object]:
    """Of click's parameters, the settings that were given, by field name."""
    found: dict[str, object] = {}
    for option in options():
        value = parameters.get(option.name)
        if value not in (None, ()):
            found[option.name] = value
        if parameters.get(_OFF + option.name):
            if option.name in found:
                raise click.UsageError(f"{option.flag} and {option.negative} contradict each other; drop one")
            found[option.name] = "off"
    return found
