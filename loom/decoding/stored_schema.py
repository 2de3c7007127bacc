"""Descriptors that came with recorded calls: which types has a method?"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message

from loom.codec import TypesOf
from loom.decoding.messages import MessageDecoder
from loom.model import Direction, Kind
from loom.schema import Method, Provenance
from loom.schema.pool import BUILT_IN, Built, build
from loom.search.fields import Walk
from loom.search.text_prefilter import TextPrefilter
from loom.sessions.reader import StoredDescriptors

_KINDS = {
    (False, False): Kind.UNARY,
    (False, True): Kind.SERVER,
    (True, False): Kind.CLIENT,
    (True, True): Kind.BIDI,
}


class StoredSchema:
    """Answers from stored file sets, the last fetched first. A pool is built once, when it is first needed."""

    def __init__(self, stored: Iterable[StoredDescriptors]) -> None:
        self.problems: list[str] = []
        """Which sets cannot be used."""
        self.stored = sorted(stored, key=lambda item: item.fetched_ns, reverse=True)
        self._services: dict[str, list[int]] = {}
        self._built: dict[int, Built] = {}
        self._methods: dict[str, tuple[Method, StoredDescriptors] | None] = {}
        self._classes: dict[tuple[str, Direction], type[Message] | None] = {}
        self._files: dict[int, list[FileDescriptorProto]] = {}
        self._decoders: dict[str, MessageDecoder] = {}
        self._built_in: DescriptorPool | None = None
        self._needles: dict[str, TextPrefilter | None] = {}
        self._walks: dict[TextPrefilter | None, Walk] = {}
        for number, item in enumerate(self.stored):
            try:
                files = list(FileDescriptorSet.FromString(item.file_set).file)
            except DecodeError as error:  # a damaged set decodes nothing; the others do
                self.problems.append(unread(item, error))
                continue
            self._files[number] = files
            for file in files:
                prefix = f"{file.package}." if file.package else ""
                for service in file.service:
                    self._services.setdefault(prefix + service.name, []).append(number)

    def method(self, path: str) -> Method | None:
        """The method ``/pkg.Service/Method``; None if no set describes it."""
        found = self._look_up(path)
        return None if found is None else found[0]

    def message_class(self, path: str, direction: Direction) -> type[Message] | None:
        """The class of a method's requests or responses."""
        key = (path, direction)
        if key not in self._classes:
            method = self.method(path)
            self._classes[key] = (
                None
                if method is None
                else message_factory.GetMessageClass(
                    method.request if direction is Direction.REQUEST else method.response
                )
            )
        return self._classes[key]

    def decoder(self, path: str) -> MessageDecoder:
        """What decodes a method's messages; Anys in them may be of a type that any set defines."""
        if path not in self._decoders:
            method = self.method(path)
            self._decoders[path] = MessageDecoder(method, self.types(method), "no schema was stored for it")
        return self._decoders[path]

    def needle(self, text: str) -> TextPrefilter | None:
        """What is known of a text that is looked for; None if nothing is."""
        if text not in self._needles:
            found = TextPrefilter(text, self._enum_names())
            self._needles[text] = found if found.usable else None
        return self._needles[text]

    def _enum_names(self) -> Iterator[str]:
        """The names of the values of every enum of every set."""
        for files in self._files.values():
            for file in files:
                yield from _enum_names_of(file)

    def walk(self, needle: TextPrefilter | None = None) -> Walk:
        """What reads the fields of messages: all of them, or those that may say a text that is not in the bytes."""
        if needle not in self._walks:
            self._walks[needle] = Walk(self.message_type, needle)
        return self._walks[needle]

    def types(self, method: Method | None) -> TypesOf:
        """Every type that is known, those of the method's own files first."""
        if self._built_in is None:
            self._built_in = build(BUILT_IN.values()).pool
        return TypesOf([*([] if method is None else [method.pool]), self, self._built_in])

    def descriptors(self, path: str) -> StoredDescriptors | None:
        """The set that describes a method, as protoc would have written it: nothing missing, imports first.

        A server's reflection answers files in any order, and leaves out what it takes for known.
        """
        found = self._look_up(path)
        return None if found is None else found[1]

    def message_type(self, name: str) -> Descriptor | None:
        """The message of this full name in any set."""
        try:
            return self.FindMessageTypeByName(name)
        except KeyError:
            return None

    def FindMessageTypeByName(self, full_name: str) -> Descriptor:  # noqa: N802 (protobuf's own name)
        """The same; :class:`KeyError` if there is none."""
        for number in self._files:
            try:
                return self._pool(number).FindMessageTypeByName(full_name)
            except KeyError:
                continue
        raise KeyError(full_name)

    def _look_up(self, path: str) -> tuple[Method, StoredDescriptors] | None:
        if path not in self._methods:
            self._methods[path] = self._find(path)
        return self._methods[path]

    def _find(self, path: str) -> tuple[Method, StoredDescriptors] | None:
        service, _, name = path.lstrip("/").rpartition("/")
        for number in self._services.get(service, ()):
            pool, stored = self._pool(number), self.stored[number]
            try:
                found = pool.FindServiceByName(service).FindMethodByName(name)
            except KeyError:
                continue
            kind = _KINDS[found.client_streaming, found.server_streaming]
            provenance = Provenance(stored.source, stored.origin, stored.fetched_ns)
            method = Method(path, kind, found.input_type, found.output_type, provenance, pool)
            return method, replace(stored, file_set=self._built[number].serialized)
        return None

    def _pool(self, number: int) -> DescriptorPool:
        if number not in self._built:
            self._built[number] = build(self._files[number])
        return self._built[number].pool


def unread(item: StoredDescriptors, error: Exception) -> str:
    """What is said of a set that is none."""
    return f"the descriptors of {item.origin or item.target} cannot be read and were passed over: {error}"


def _enum_names_of(holder: FileDescriptorProto | DescriptorProto) -> Iterator[str]:
    for kind in holder.enum_type:
        yield from (value.name for value in kind.value)
    inner = holder.message_type if isinstance(holder, FileDescriptorProto) else holder.nested_type
    for message in inner:
        yield from _enum_names_of(message)
