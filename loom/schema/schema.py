"""The face of the package: which method is this, which message type is that."""

import asyncio
from collections.abc import Callable, Sequence

from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from loom.model import Kind

from .flight import Flight
from .pool import BUILT_IN, Built, build
from .source import FileSet, Method, SchemaError, Source

TTL = 300.0
FAILURE_TTL = 5.0

_KINDS = {
    (False, False): Kind.UNARY,
    (False, True): Kind.SERVER,
    (True, False): Kind.CLIENT,
    (True, True): Kind.BIDI,
}


class _Resolved:
    """The files of one symbol, built once."""

    __slots__ = ("built", "files")

    def __init__(self, files: FileSet) -> None:
        self.files = files
        self.built: Built = build(files.files)


class Schema:
    """Asks its sources in their order; the first that knows a symbol answers.

    One file set answers for all methods of a service. Nothing of this is awaited by forwarding, which only
    ever uses :meth:`peek`.
    """

    def __init__(
        self, sources: Sequence[Source], *, ttl: float = TTL, failure_ttl: float = FAILURE_TTL
    ) -> None:
        self.sources = list(sources)
        self._symbols: Flight[_Resolved] = Flight(self._fetch, ttl=ttl, failure_ttl=failure_ttl)
        self._built_in = build(BUILT_IN.values()).pool
        self._listeners: list[Callable[[FileSet], None]] = []

    def on_descriptors(self, listener: Callable[[FileSet], None]) -> None:
        """Call ``listener`` with every file set that is fetched or renewed."""
        self._listeners.append(listener)

    def peek(self, path: str) -> Method | None:
        """The method of a path such as ``/pkg.Service/Method`` if it is known already; no I/O."""
        service, _, name = path.lstrip("/").rpartition("/")
        resolved = self._symbols.peek(service)
        return None if resolved is None else _method(resolved, path, service, name)

    async def method(self, path: str) -> Method:
        """The same, fetched if need be; :class:`SchemaError` says which sources had nothing."""
        service, _, name = path.lstrip("/").rpartition("/")
        if not service:
            raise SchemaError(f"{path!r} is not the path of a gRPC method")
        resolved = await self._symbols.get(service)
        found = _method(resolved, path, service, name)
        if found is None:
            raise SchemaError(
                f"{resolved.files.provenance.source} knows {service}, but no method {name} in it"
            )
        return found

    async def refresh(self, path: str) -> Method:
        """Fetch anew what a method's service is; the old answer serves everybody else meanwhile."""
        service, _, name = path.lstrip("/").rpartition("/")
        resolved = await self._symbols.refresh(service)
        return _method(resolved, path, service, name) or await self.method(path)

    async def message_type(self, full_name: str) -> Descriptor | None:
        """The descriptor of a message by name, for an Any: built-in ones first, then every source."""
        try:
            return self._built_in.FindMessageTypeByName(full_name)
        except KeyError:
            pass
        try:
            resolved = await self._symbols.get(full_name)
            return resolved.built.pool.FindMessageTypeByName(full_name)
        except (SchemaError, KeyError):
            return None

    async def file_set(self, path: str) -> FileDescriptorSet:
        """All files that a method's service needs, imports first, as protoc would write them."""
        service = path.lstrip("/").rpartition("/")[0]
        resolved = await self._symbols.get(service)
        return _complete(resolved.files)

    def invalidate(self) -> None:
        """The target was connected anew or local files changed: renew each answer on its next use."""
        self._symbols.invalidate()

    async def close(self) -> None:
        await self._symbols.close()

    async def _fetch(self, symbol: str) -> _Resolved:
        failures: list[SchemaError] = []
        for source in self.sources:
            try:
                return await self._taken(await source.fetch(symbol))
            except SchemaError as error:
                failures.append(error)
        if not failures:
            raise SchemaError(
                "reflection is off and no --proto or --protoset is given: messages stay undecoded"
            )
        raise SchemaError(
            "; ".join(str(error) for error in failures), temporary=any(error.temporary for error in failures)
        )

    async def _taken(self, files: FileSet) -> _Resolved:
        resolved = await asyncio.to_thread(_Resolved, files)
        for listener in self._listeners:
            listener(files)
        return resolved


def _method(resolved: _Resolved, path: str, service: str, name: str) -> Method | None:
    try:
        found: MethodDescriptor = resolved.built.pool.FindServiceByName(service).FindMethodByName(name)
    except KeyError:
        return None
    return Method(
        path=path,
        kind=_KINDS[found.client_streaming, found.server_streaming],
        request=found.input_type,
        response=found.output_type,
        provenance=resolved.files.provenance,
        pool=resolved.built.pool,
        problems=resolved.built.problems,
    )


def _complete(files: FileSet) -> FileDescriptorSet:
    """The files with the built-in ones that they import, each after its imports."""
    named = {file.name: file for file in files.files}
    ordered: dict[str, None] = {}

    def visit(name: str) -> None:
        file = named.get(name) or BUILT_IN.get(name)
        if file is None or name in ordered:
            return
        for dependency in file.dependency:
            visit(dependency)
        ordered[name] = None

    for name in named:
        visit(name)
    return FileDescriptorSet(file=[named.get(name) or BUILT_IN[name] for name in ordered])
