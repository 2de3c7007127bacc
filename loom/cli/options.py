"""What commands take: filters, and the numbers of calls."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from loom.recording.query import FilterError, Query, parse

F = TypeVar("F", bound=Callable[..., Any])


class Filter(click.ParamType[Query]):
    """A filter (docs/filter.md); what is wrong with it is told with its column, before anything is done."""

    name = "filter"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Query:
        if isinstance(value, Query):
            return value
        try:
            return parse(value)
        except FilterError as error:
            hint = f" ({error.hint})" if error.hint else ""
            self.fail(f"{value!r} is wrong at column {error.column}: {error}{hint}", param, ctx)


class CallId(click.IntRange):
    """The number of a call."""

    name = "call id"

    def __init__(self) -> None:
        super().__init__(1)


def filter_option(function: F) -> F:
    """``-q FILTER``, which becomes a :class:`Query`."""
    made: F = click.option(
        "-q",
        "--query",
        default="",
        type=Filter(),
        metavar="FILTER",
        help="Only calls that match (docs/filter.md).",
    )(function)
    return made
