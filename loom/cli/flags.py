"""The command-line flags of the settings, as click options: one per setting, and a negative one where it can be off."""

from collections.abc import Iterator, Mapping
from typing import Any

import click
from click.shell_completion import CompletionItem

from loom.runtime.option_spec import Option, Section
from loom.runtime.settings import options

_NEGATIVE = "no_"
_COMPLETIONS = {"FILE": "file", "PATH": "file", "DIR": "dir"}
SECTIONS = tuple(section.value for section in Section)


class Flag(click.Option):
    """An option with a heading in ``--help`` and completion of its values.

    ``help_names`` replaces the names shown in ``--help``; empty hides the flag there.
    """

    def __init__(self, *args: Any, section: str, help_names: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.section = section
        self._help_names = help_names

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The names and the help text; None if the flag is not listed."""
        record = super().get_help_record(ctx)
        if record is None or self._help_names is None:
            return record
        return (self._help_names, record[1]) if self._help_names else None

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The choices of the metavar, files, or for ``--session`` the existing sessions."""
        if self.name == "session":
            from .completion import existing_session  # noqa: PLC0415 (it imports more than flags need)

            return existing_session(ctx, self, incomplete)
        alternatives = str(self.metavar).split("|")
        for alternative in alternatives:
            if alternative in _COMPLETIONS:
                return [CompletionItem(incomplete, type=_COMPLETIONS[alternative])]
        return [
            CompletionItem(word)
            for word in alternatives
            if word.islower() and word.isalpha() and word.startswith(incomplete)
        ]


def flags() -> Iterator[Flag]:
    """All flags, in the order of ``--help``. Values stay raw: :mod:`loom.runtime.config_loading` parses them."""
    for option in options():
        yield from _flags(option)


def _flags(option: Option) -> Iterator[Flag]:
    negative = option.negative_flag
    if option.type.is_switch:
        names = option.flag if negative is None else f"{option.flag} / {negative}"
        yield _switch(option.flag, option.name, _help(option), option, names)
        if negative is not None:
            # A flag of its own, as click would let the last of --tls and --no-tls win without a word.
            yield _switch(negative, _NEGATIVE + option.name, "", option, "")
        return
    yield Flag(
        [option.flag, option.name],
        metavar=option.type.metavar,
        multiple=option.type.multiple,
        default=None,
        help=_help(option),
        section=option.spec.section,
    )
    if negative is not None:
        yield _switch(negative, _NEGATIVE + option.name, f"Same as {option.flag} off.", option)


def _switch(flag: str, name: str, text: str, option: Option, help_names: str | None = None) -> Flag:
    return Flag(
        [flag, name],
        is_flag=True,
        default=None,
        help=text,
        section=option.spec.section,
        help_names=help_names,
    )


def _help(option: Option) -> str:
    repetition = "May be repeated." if option.type.multiple else ""
    default = f"[default: {option.default_text}]" if option.default_text not in ("", "false") else ""
    return " ".join(part for part in (option.spec.help, repetition, default) if part)


def flag_values(parameters: Mapping[str, Any]) -> dict[str, object]:
    """Select from click's parameters the raw values of settings that are present, by field name."""
    values: dict[str, object] = {}
    for option in options():
        value = parameters.get(option.name)
        if value not in (None, ()):
            values[option.name] = value
        if parameters.get(_NEGATIVE + option.name):
            if option.name in values:
                raise click.UsageError(
                    f"{option.flag} and {option.negative_flag} conflict; remove one of them"
                )
            values[option.name] = "off"
    return values
