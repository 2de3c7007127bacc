"""Read the fields of recorded messages with a stored schema; it caches the walkers and types of a search."""

from collections.abc import Iterator

from google.protobuf import message_factory
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto
from google.protobuf.message import Message

from loom.codec import CompressionError
from loom.decoding.message_decoder import decompress_message
from loom.decoding.stored_schema import StoredSchema
from loom.model import Call, Direction

from .field_walker import Field, FieldWalker
from .text_prefilter import TextPrefilter


class FieldReader:
    """Reads the fields of many calls; the work that depends on a type or on the text is done once."""

    def __init__(self, schema: StoredSchema) -> None:
        self._schema = schema
        self._classes: dict[tuple[str, Direction], type[Message] | None] = {}
        self._prefilters: dict[str, TextPrefilter | None] = {}
        self._walkers: dict[TextPrefilter | None, FieldWalker] = {}

    def fields(self, call: Call, text: str = "") -> Iterator[Field]:
        """Every field of every message in memory, decompressed; without a schema by field number.

        Fields that cannot contain ``text`` may be left out: see :mod:`.text_prefilter`.
        """
        prefilter = self._prefilter(text)
        full = self._walker(None)
        filtered = None if prefilter is None else self._walker(prefilter)
        for message in call.messages:
            data = message.data
            if data is None:
                continue
            try:
                data = decompress_message(message)
                message_class = self._message_class(call.method, message.direction)
            except CompressionError:
                message_class = None
            walker = full
            if filtered is not None and not filtered.bytes_may_match(data):
                if not filtered.type_may_match(message_class):
                    continue
                walker = filtered
            yield from walker.fields(data, message_class)

    def _message_class(self, path: str, direction: Direction) -> type[Message] | None:
        """The class of a method's requests or responses."""
        key = (path, direction)
        if key not in self._classes:
            method = self._schema.method(path)
            self._classes[key] = (
                None
                if method is None
                else message_factory.GetMessageClass(
                    method.request if direction is Direction.REQUEST else method.response
                )
            )
        return self._classes[key]

    def _prefilter(self, text: str) -> TextPrefilter | None:
        """The prefilter of a text; None if it cannot be used for this one."""
        if text not in self._prefilters:
            prefilter = TextPrefilter(text, self._enum_names())
            self._prefilters[text] = prefilter if prefilter.usable else None
        return self._prefilters[text]

    def _walker(self, prefilter: TextPrefilter | None) -> FieldWalker:
        """A walker over all fields, or over those only that a prefilter lets pass."""
        if prefilter not in self._walkers:
            self._walkers[prefilter] = FieldWalker(self._schema.message_type, prefilter)
        return self._walkers[prefilter]

    def _enum_names(self) -> Iterator[str]:
        """The names of the values of every enum of every set."""
        for file in self._schema.files():
            yield from _enum_names(file)


def _enum_names(scope: FileDescriptorProto | DescriptorProto) -> Iterator[str]:
    for enum in scope.enum_type:
        yield from (value.name for value in enum.value)
    messages = scope.message_type if isinstance(scope, FileDescriptorProto) else scope.nested_type
    for message in messages:
        yield from _enum_names(message)
