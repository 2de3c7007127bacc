"""Schemas: where descriptors come from, what one describes, files that are uploaded."""

from typing import Literal

from loom.model import Kind

from .base import Answer, Parameters, Question

Label = Literal["", "optional", "repeated", "required", "map"]


class SchemaSource(Answer):
    """A place where descriptors come from."""

    name: str
    """Its name, such as `reflection`."""
    problems: list[str]
    """Files of it that cannot be used, and why."""
    loading: bool
    """Whether its files are being loaded for the first time: until then calls wait for their schema."""


class SchemaSources(Answer):
    """All sources."""

    sources: list[SchemaSource]
    """In the order in which they are asked."""


class OutlineField(Answer):
    """A field of a message."""

    number: int
    """Its number."""
    name: str
    """Its name in the `.proto` file."""
    type: str
    """Its type; of a map, `map<key, value>`."""
    label: Label = ""
    """`optional` only where it is explicit."""
    refers: str | None = None
    """The message or enum that the field, or the map's value, is of."""
    oneof: str | None = None
    """The oneof that it belongs to."""
    default: str = ""
    """Its default, where the file declares one."""
    deprecated: bool = False
    """Whether it is deprecated."""


class OutlineMessage(Answer):
    """A message type."""

    name: str
    """Its full name."""
    file: str
    """The file that defines it."""
    fields: list[OutlineField]
    """Its fields, in the order of the file."""
    deprecated: bool
    """Whether it is deprecated."""


class OutlineEnum(Answer):
    """An enum type."""

    name: str
    """Its full name."""
    file: str
    """The file that defines it."""
    values: list[tuple[int, str]]
    """Number and name of every value, aliases included."""
    deprecated: bool
    """Whether it is deprecated."""


class OutlineMethod(Answer):
    """A method of a service."""

    name: str
    """Its name."""
    kind: Kind
    """The kind of streaming."""
    request: str
    """The full name of the request type."""
    response: str
    """The full name of the response type."""
    deprecated: bool
    """Whether it is deprecated."""


class OutlineService(Answer):
    """A service."""

    name: str
    """Its full name."""
    file: str
    """The file that defines it."""
    methods: list[OutlineMethod]
    """Its methods, in the order of the file."""


class Outline(Answer):
    """What a method's schema describes: services, and all types that their methods reach."""

    services: list[OutlineService]
    """The method's own service first."""
    messages: list[OutlineMessage]
    """Message types, those nearest to the method first."""
    enums: list[OutlineEnum]
    """Enum types, those nearest to the method first."""
    more: int
    """Types left out of a schema of more than 1,000."""


class CallSchema(Outline):
    """The outline of a call's method, and where it came from."""

    source: str
    """The source, such as `reflection v1`."""
    origin: str
    """Its address or file."""
    fetched_us: int
    """When it was fetched."""


class SchemaFile(Question):
    """A `.proto` file as `text`, or a descriptor set as `base64`."""

    name: str
    """A relative path, as imports write it."""
    text: str | None = None
    """The content of a `.proto` file."""
    base64: str | None = None
    """The content of any file, in base64."""


class SchemaUpload(Question):
    """Files to decode with from now on."""

    files: list[SchemaFile]
    """They join those uploaded before, and replace those of the same name."""


class UploadedFile(Answer):
    """A file that has been uploaded."""

    name: str
    """Its name, a relative path."""
    bytes: int
    """Its size."""


class Uploads(Answer):
    """The files that have been uploaded and not been removed."""

    files: list[UploadedFile]
    """By name."""
    services: list[str]
    """Full names of the services that they describe."""
    problems: list[str]
    """Files that cannot be used, and why; the others are used."""


class RemovalParameters(Parameters):
    """Which files to remove."""

    name: str | None = None
    """The name of one file; without it, all are removed."""
