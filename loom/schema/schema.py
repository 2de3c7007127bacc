"""The face of the package: which method is this, which message type is that."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from loom.model import Kind

from .descriptor_index import MemorySource
from .linker import BUILT_IN_FILES, LinkedDescriptorSet, link
from .local_files import ATTACHED
from .single_flight import SingleFlightCache
from .source import DescriptorSet, Method, SchemaError, Source
from .uploads import Uploads, load_uploads

TTL = 300.0
FAILURE_TTL = 5.0
PATIENCE = 1.0
_MAX_DOUBTED = 10_000
_MAX_KINDS = 10_000  # clients choose method names

_log = logging.getLogger(__name__)

_KINDS = {
    (False, False): Kind.UNARY,
    (False, True): Kind.SERVER,
    (True, False): Kind.CLIENT,
    (True, True): Kind.BIDI,
}


class _Resolved:
    """The files of one symbol, built once. ``provisional``: an earlier source could not be asked just then."""

    __slots__ = ("built", "files", "methods", "provisional")

    def __init__(self, files: DescriptorSet, *, provisional: bool) -> None:
        self.files = files
        self.built: LinkedDescriptorSet = link(files.files)
        self.provisional = provisional
        self.methods: dict[str, Method] = {}  # those that were asked for


class Schema:
    """Asks its sources in their order; the first that knows a symbol answers, the others fill what it lacks.

    One file set answers for all methods of a service. Nothing of this is awaited by forwarding, which only
    ever uses :meth:`kind`. Where an earlier source is slow, the answer of a later one is taken after ``patience``
    seconds.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        ttl: float = TTL,
        failure_ttl: float = FAILURE_TTL,
        patience: float = PATIENCE,
    ) -> None:
        self.sources = list(sources)
        self._patience = patience
        self._symbols: SingleFlightCache[_Resolved] = SingleFlightCache(
            self._fetch,
            ttl=ttl,
            failure_ttl=failure_ttl,
            provisional=lambda resolved: resolved.provisional,
        )
        self._kinds: dict[str, Kind | None] = {}
        self._kinds_version = 0  # of the symbols that they were looked up in
        self._built_in = link(BUILT_IN_FILES.values())
        self._listeners: list[Callable[[DescriptorSet], None]] = []
        self._changes: list[Callable[[], None]] = []
        self._attached = Uploads()
        self._doubted: set[bytes] = set()
        self._late: set[asyncio.Task[DescriptorSet]] = set()

    @property
    def built_in_types(self) -> LinkedDescriptorSet:
        """The well-known types, google.rpc and google.api."""
        return self._built_in

    @property
    def problems(self) -> list[str]:
        """Files of any source that cannot be used, each with the reason."""
        return [problem for source in self.sources for problem in source.problems]

    def on_descriptors(self, listener: Callable[[DescriptorSet], None]) -> None:
        """Call ``listener`` with every file set that is fetched or refresh_on_drift."""
        self._listeners.append(listener)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` when what was unknown may be known now."""
        self._changes.append(listener)

    def kind(self, path: str) -> Kind | None:
        """How the method of a path such as ``/pkg.Service/Method`` streams, if that is known already; no I/O.

        This is asked of every call, so answers are remembered until a symbol's answer changes.
        """
        if self._kinds_version != self._symbols.version or len(self._kinds) >= _MAX_KINDS:
            self._kinds_version = self._symbols.version
            self._kinds = {}
        kinds = self._kinds
        try:
            return kinds[path]
        except KeyError:
            method = self.peek(path)
            kind = kinds[path] = method.kind if method else None
            return kind

    def peek(self, path: str) -> Method | None:
        """A method if it is known already; no I/O."""
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

    async def refresh_on_drift(self, method: Method) -> Method | None:
        """A newer description of a method that did not fit its traffic; None if there is none.

        Each description is doubted once: if what comes instead does not fit either, it stays.
        """
        if method.descriptor_set is None or not self._doubt(method.descriptor_set):
            return None
        try:
            fresh = await self.refresh(method.path)
        except SchemaError:
            return None
        if fresh.descriptor_set is None or fresh.descriptor_set.digest == method.descriptor_set.digest:
            return None
        self._doubt(fresh.descriptor_set)
        return fresh

    async def message_type(self, full_name: str) -> Descriptor | None:
        """The descriptor of a message by name, for an Any: built-in ones first, then every source."""
        built = await self.find_descriptor_set(full_name)
        return None if built is None else built.pool.FindMessageTypeByName(full_name)

    async def find_descriptor_set(self, full_name: str) -> LinkedDescriptorSet | None:
        """The files that define a message, as :meth:`message_type`; None if nobody knows it."""
        if _has(self._built_in, full_name):
            return self._built_in
        try:
            built = (await self._symbols.get(full_name)).built
        except SchemaError:
            return None
        return built if _has(built, full_name) else None

    async def descriptor_set(self, path: str) -> FileDescriptorSet:
        """All files that a method's service needs, imports first, as protoc would write them."""
        service = path.lstrip("/").rpartition("/")[0]
        resolved = await self._symbols.get(service)
        return FileDescriptorSet.FromString(resolved.built.serialized)

    async def add_uploads(self, files: Mapping[str, bytes]) -> MemorySource:
        """Take in files by their names (``.proto`` text, or descriptor sets) that a person attached.

        They join what was attached before, as the first source: somebody has just said what the bytes mean. The
        answer's ``problems`` name what does not compile; what does is used at once.
        """
        self._attached.add(files)
        found, problems = await asyncio.to_thread(load_uploads, self._attached.files)
        if self._attached.source is None:
            self._attached.source = MemorySource(ATTACHED)
            self.sources.insert(0, self._attached.source)
        self._attached.source.replace(found, problems)
        self.forget()
        return self._attached.source

    def invalidate(self) -> None:
        """The target was connected anew or local files changed: renew each answer on its next use."""
        self._symbols.invalidate()
        self._changed()

    def forget(self) -> None:
        """Sources have changed: the next use of each answer waits for the new one."""
        self._symbols.forget()
        self._changed()

    async def close(self) -> None:
        for task in self._late:
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)
        await self._symbols.close()

    def _changed(self) -> None:
        self._doubted.clear()
        for listener in self._changes:
            listener()

    def _doubt(self, built: LinkedDescriptorSet) -> bool:
        """Doubt a description; False if it was doubted before."""
        if built.digest in self._doubted or len(self._doubted) >= _MAX_DOUBTED:
            return False
        self._doubted.add(built.digest)
        return True

    async def _fetch(self, symbol: str) -> _Resolved:
        if not self.sources:
            raise SchemaError(
                "reflection is off and no --proto or --protoset is given: messages stay undecoded"
            )
        asked = [asyncio.ensure_future(source.fetch(symbol)) for source in self.sources]
        for task in asked:
            self._late.add(task)
            task.add_done_callback(self._settled)
        failures: list[SchemaError] = []
        try:
            for position, task in enumerate(asked):
                try:
                    files = await self._answer(task, asked[position + 1 :])
                except SchemaError as error:
                    failures.append(error)
                else:
                    provisional = any(error.temporary for error in failures)
                    return await self._taken(files, provisional=provisional)
        finally:
            for task in asked:
                task.cancel()
        raise SchemaError(
            "; ".join(dict.fromkeys(map(str, failures))), temporary=any(error.temporary for error in failures)
        )

    async def _answer(
        self, task: asyncio.Task[DescriptorSet], later: list[asyncio.Task[DescriptorSet]]
    ) -> DescriptorSet:
        """A source's answer. It may take its time if no later source has one; else only ``patience``."""
        await asyncio.wait([task], timeout=self._patience)
        while not task.done():
            if any(other.done() and not other.exception() for other in later):
                raise SchemaError("no answer yet", temporary=True)
            await asyncio.wait(
                [task, *(other for other in later if not other.done())], return_when="FIRST_COMPLETED"
            )
        return task.result()

    def _settled(self, task: asyncio.Task[DescriptorSet]) -> None:
        self._late.discard(task)
        if not task.cancelled():
            task.exception()  # looked at: whoever needs it has it

    async def _taken(self, files: DescriptorSet, *, provisional: bool) -> _Resolved:
        complete = self._filled(files)
        resolved = await asyncio.to_thread(_Resolved, complete, provisional=provisional)
        for problem in resolved.built.problems:
            _log.warning("%s: %s", files.provenance.source, problem)
        for listener in self._listeners:
            listener(complete)
        return resolved

    def _filled(self, files: DescriptorSet) -> DescriptorSet:
        """With what the other sources know of missing imports and of extensions."""
        named = {file.name: file for file in files.files}
        for source in self.sources:
            for file in source.fill(named):
                named.setdefault(file.name, file)
        return DescriptorSet(tuple(named.values()), files.provenance)


def _has(built: LinkedDescriptorSet, message: str) -> bool:
    try:
        built.pool.FindMessageTypeByName(message)
    except KeyError:
        return False
    return True


def _method(resolved: _Resolved, path: str, service: str, name: str) -> Method | None:
    known = resolved.methods.get(path)
    if known is not None:
        return known
    try:
        found: MethodDescriptor = resolved.built.pool.FindServiceByName(service).FindMethodByName(name)
    except KeyError:
        return None
    method = resolved.methods[path] = Method(
        path=path,
        kind=_KINDS[found.client_streaming, found.server_streaming],
        request=found.input_type,
        response=found.output_type,
        provenance=resolved.files.provenance,
        pool=resolved.built.pool,
        problems=resolved.built.problems,
        descriptor_set=resolved.built,
    )
    return method
