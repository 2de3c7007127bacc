"""What the structures of the API have in common.

The literal under a field is its description: it appears in the OpenAPI document, in docs/reference/api.md and in
the page's types. A field of an answer is always present, null where its type allows None, unless its type allows
:class:`msgspec.UnsetType`; then it is left out.
"""

from typing import Any

from msgspec import Struct

Pair = tuple[int, int]
"""Client to backend, backend to client."""

Json = Any
"""Any JSON value: a decoded message, or a part of one."""

MAX_INTEGER = 2**53
"""The largest integer that every JSON reader represents exactly, and the largest that a parameter may be."""


class Answer(Struct):
    """A JSON object that Loom sends. Readers ignore fields that they do not know."""


class Question(Struct, forbid_unknown_fields=True):
    """A JSON object that Loom receives. A field that it does not know is an error."""


class Parameters(Struct):
    """Query parameters of an endpoint. Unknown ones are ignored, as are empty ones that are not text."""
