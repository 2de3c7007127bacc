"""Look up methods and message types in the descriptor sets that are stored with calls."""

from collections.abc import Iterable
from dataclasses import replace

from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

from loom.codec import ChainResolver
from loom.model import Call, Message, StoredDescriptorSet
from loom.schema import LinkedDescriptorSet, Method, Provenance, SchemaError, split_path
from loom.schema.built_in_files import BUILT_IN_FILES
from loom.schema.linker import link
from loom.schema.stored import parse_stored

from .message_decoder import DecodedMessage, MessageDecoder


class StoredSchema:
    """A schema of stored descriptor sets; where several describe a method, the one fetched last answers.

    The pool of a set is built at its first use. ``problems`` name the sets that are damaged.
    """

    def __init__(self, stored: Iterable[StoredDescriptorSet]) -> None:
        self.problems: list[str] = []
        self.stored = sorted(stored, key=lambda item: item.fetched_ns, reverse=True)
        self._services: dict[str, list[int]] = {}
        self._linked: dict[int, LinkedDescriptorSet] = {}
        self._methods: dict[str, tuple[Method, StoredDescriptorSet] | None] = {}
        self._files: dict[int, list[FileDescriptorProto]] = {}
        self._decoders: dict[str, MessageDecoder] = {}
        self._built_in_types: DescriptorPool | None = None
        for index, item in enumerate(self.stored):
            try:
                files = list(parse_stored(item).file)
            except SchemaError as error:
                self.problems.append(str(error))
                continue
            self._files[index] = files
            for file in files:
                prefix = f"{file.package}." if file.package else ""
                for service in file.service:
                    self._services.setdefault(prefix + service.name, []).append(index)

    def files(self) -> Iterable[FileDescriptorProto]:
        """Every file of every set."""
        for files in self._files.values():
            yield from files

    def method(self, path: str) -> Method | None:
        """The method ``/pkg.Service/Method``; None if no set describes it."""
        entry = self._look_up(path)
        return None if entry is None else entry[0]

    def decoder(self, path: str) -> MessageDecoder:
        """The decoder of a method's messages; Anys in them may be of a type that any set defines."""
        if path not in self._decoders:
            method = self.method(path)
            self._decoders[path] = MessageDecoder(
                method, self.resolver(method), "no schema was stored for it"
            )
        return self._decoders[path]

    def decode(self, call: Call, message: Message) -> DecodedMessage:
        """Decode a message of a call."""
        return self.decoder(call.method).decode(message)

    def resolver(self, method: Method | None) -> ChainResolver:
        """The types of every set, those of the method's own set first."""
        if self._built_in_types is None:
            self._built_in_types = link(BUILT_IN_FILES.values()).pool
        return ChainResolver([*([] if method is None else [method.pool]), self, self._built_in_types])

    def descriptors(self, path: str) -> StoredDescriptorSet | None:
        """The set that describes a method, complete and with imports first, as protoc would have written it.

        Reflection answers with files in any order, and may leave out the well-known ones.
        """
        entry = self._look_up(path)
        return None if entry is None else entry[1]

    def message_type(self, name: str) -> Descriptor | None:
        """The message of this full name in any set."""
        try:
            return self.FindMessageTypeByName(name)
        except KeyError:
            return None

    def FindMessageTypeByName(self, full_name: str) -> Descriptor:  # noqa: N802 (protobuf's own name)
        """The same; :class:`KeyError` if there is none."""
        for index in self._files:
            try:
                return self._link(index).pool.FindMessageTypeByName(full_name)
            except KeyError:
                continue
        raise KeyError(full_name)

    def _look_up(self, path: str) -> tuple[Method, StoredDescriptorSet] | None:
        if path not in self._methods:
            self._methods[path] = self._find_method(path)
        return self._methods[path]

    def _find_method(self, path: str) -> tuple[Method, StoredDescriptorSet] | None:
        for index in self._services.get(split_path(path)[0], ()):
            linked, stored = self._link(index), self.stored[index]
            provenance = Provenance(stored.source, stored.origin, stored.fetched_ns)
            method = Method.find(linked, path, provenance, with_files=False)
            if method is not None:
                return method, replace(stored, file_set=linked.serialized)
        return None

    def _link(self, index: int) -> LinkedDescriptorSet:
        if index not in self._linked:
            self._linked[index] = link(self._files[index])
        return self._linked[index]
