"""Parameter types and options that several commands have: filters and call ids."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from loom.recording.query import FilterError, Query, parse

F = TypeVar("F", bound=Callable[..., Any])


class FilterType(click.ParamType[Query]):
    """A filter (docs/reference/filter.md). Errors name the column, before the command does anything."""

    name = "filter"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Query:
        if isinstance(value, Query):
            return value
        try:
            return parse(value)
        except FilterError as error:
            hint = f" ({error.hint})" if error.hint else ""
            self.fail(f"{value!r}, column {error.column}: {error}{hint}", param, ctx)


class CallId(click.IntRange):
    """The id of a call."""

    name = "call id"

    def __init__(self) -> None:
        super().__init__(1)


FILTER_NAMES = ("-q", "--query")
FILTER_HELP = "Only calls that match FILTER (docs/reference/filter.md)."


def filter_option(function: F) -> F:
    """Add ``-q FILTER``, parsed to a :class:`Query`."""
    decorated: F = click.option(
        *FILTER_NAMES, default="", type=FilterType(), metavar="FILTER", help=FILTER_HELP
    )(function)
    return decorated
