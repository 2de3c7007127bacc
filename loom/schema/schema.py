"""The schema of the calls: looks up methods and message types in several sources, and caches them."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence

from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from loom.model import Kind

from .built_in_files import BUILT_IN_FILES
from .built_in_services import built_in_services
from .descriptor_index import MemorySource
from .linker import NOT_PROVIDED, LinkedDescriptorSet, link
from .single_flight import SingleFlightCache
from .source import DescriptorSet, Method, SchemaError, Source, split_path
from .uploads import Uploads

TTL = 300.0
FAILURE_TTL = 5.0
PATIENCE = 1.0
_MAX_DRIFT_CHECKS = 10_000
# Clients choose the method names.
_MAX_CACHED_KINDS = 10_000
_MAX_NAME = 1000  # characters
_MAX_LOGGED_PROBLEMS = 1_000

_log = logging.getLogger(__name__)


class _Resolution:
    """The linked descriptor set of one symbol. ``provisional``: a preferred source was temporarily unavailable."""

    __slots__ = ("descriptor_set", "linked", "methods", "provisional")

    def __init__(self, descriptor_set: DescriptorSet, *, provisional: bool) -> None:
        self.descriptor_set = descriptor_set
        self.linked = link(descriptor_set.files)
        self.provisional = provisional
        self.methods: dict[str, Method] = {}

    def method(self, path: str) -> Method | None:
        """The method of a path; None if the descriptor set lacks it."""
        method = self.methods.get(path)
        if method is None:
            method = Method.find(self.linked, path, self.descriptor_set.provenance)
            if method is not None:
                self.methods[path] = method
        return method


class Schema:
    """Looks up symbols in its sources; the first that knows one answers, the others add what it lacks.

    gRPC's own services are known even if no source knows them. The descriptor set of a service is cached for ``ttl``
    seconds, a failure for ``failure_ttl``. If a source is slow, the answer of a later one is used after ``patience``
    seconds. Forwarding never waits for any of this: it only calls :meth:`kind`.
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
        self._symbols: SingleFlightCache[_Resolution] = SingleFlightCache(
            self._fetch,
            ttl=ttl,
            failure_ttl=failure_ttl,
            provisional=lambda resolution: resolution.provisional,
        )
        self._kinds: dict[str, Kind | None] = {}
        self._kinds_version = 0  # that of the symbol cache
        self._built_in_types = link(BUILT_IN_FILES.values())
        self._built_in_services = built_in_services()
        self._descriptor_listeners: list[Callable[[DescriptorSet], None]] = []
        self._change_listeners: list[Callable[[], None]] = []
        self._uploads = Uploads()
        self._logged: set[str] = set()
        self._drift_checks: set[bytes] = set()
        self._source_tasks: set[asyncio.Task[DescriptorSet]] = set()

    @property
    def built_in_types(self) -> LinkedDescriptorSet:
        """The well-known types, google.rpc and google.api."""
        return self._built_in_types

    @property
    def problems(self) -> list[str]:
        """Files of any source that cannot be used, each with the reason."""
        return [problem for source in self.sources for problem in source.problems]

    def problems_with(self, method_problems: Sequence[str]) -> list[str]:
        """The problems of a method's files, and those of all sources, each once."""
        return list(dict.fromkeys([*self._further_problems(method_problems), *self.problems]))

    def _further_problems(self, problems: Sequence[str]) -> list[str]:
        """Those problems of linked files that no source names, which may do so in other words."""
        previous = self.problems

        def is_known(problem: str) -> bool:
            name, separator, _ = problem.partition(NOT_PROVIDED)
            if separator:
                return any(f"import {name} " in other or f"{name}:" in other for other in previous)
            return any(other.endswith(problem) for other in previous)

        return [problem for problem in problems if not is_known(problem)]

    def on_descriptors(self, listener: Callable[[DescriptorSet], None]) -> None:
        """Call ``listener`` with every descriptor set that is fetched or refreshed."""
        self._descriptor_listeners.append(listener)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` when symbols that were unknown may have become known."""
        self._change_listeners.append(listener)

    def kind(self, path: str) -> Kind | None:
        """The kind of a method such as ``/pkg.Service/Method``, if it is cached; no I/O.

        Every call asks for it, so that it has a cache of its own, which is valid until a symbol changes.
        """
        if self._kinds_version != self._symbols.version or len(self._kinds) >= _MAX_CACHED_KINDS:
            self._kinds_version = self._symbols.version
            self._kinds = {}
        kinds = self._kinds
        try:
            return kinds[path]
        except KeyError:
            method = self.peek(path)
            kind = method.kind if method else None
            if len(path) <= _MAX_NAME:
                kinds[path] = kind
            return kind

    def peek(self, path: str) -> Method | None:
        """A method, if it is cached; no I/O."""
        resolution = self._symbols.peek(split_path(path)[0])
        return None if resolution is None else resolution.method(path)

    async def method(self, path: str) -> Method:
        """A method, fetched if it is not cached; :class:`SchemaError` says why no source has it."""
        service, name = split_path(path)
        if not service:
            raise SchemaError(f"{path!r} is not the path of a gRPC method")
        resolution = await self._resolve(service)
        method = resolution.method(path)
        if method is None:
            raise _missing_method(resolution, service, name)
        return method

    async def refresh(self, path: str) -> Method:
        """Fetch a method's service even if it is cached; meanwhile others get the cached one."""
        resolution = await self._symbols.refresh(_check_name(split_path(path)[0]))
        return resolution.method(path) or await self.method(path)

    async def refresh_on_drift(self, method: Method) -> Method | None:
        """A changed description of a method that does not fit its traffic; None if it has not changed.

        Each description is checked once: if the refreshed one does not fit either, it stays.
        """
        if method.descriptor_set is None or not self._start_drift_check(method.descriptor_set):
            return None
        try:
            refreshed = await self.refresh(method.path)
        except SchemaError:
            return None
        if (
            refreshed.descriptor_set is None
            or refreshed.descriptor_set.digest == method.descriptor_set.digest
        ):
            return None
        self._start_drift_check(refreshed.descriptor_set)
        return refreshed

    async def message_type(self, full_name: str) -> Descriptor | None:
        """The descriptor of a message by name, for an Any; built-in types come first."""
        linked = await self.find_descriptor_set(full_name)
        return None if linked is None else linked.pool.FindMessageTypeByName(full_name)

    async def find_descriptor_set(self, message: str) -> LinkedDescriptorSet | None:
        """The descriptor set that defines a message; None if no source knows it."""
        try:
            if self._built_in_types.has_message(_check_name(message)):
                return self._built_in_types
            linked = (await self._resolve(message)).linked
        except SchemaError:
            return None
        return linked if linked.has_message(message) else None

    async def descriptor_set(self, path: str) -> FileDescriptorSet:
        """All files that a method's service needs, imports first, as protoc would write them."""
        resolution = await self._resolve(split_path(path)[0])
        return FileDescriptorSet.FromString(resolution.linked.serialized)

    @property
    def uploads(self) -> dict[str, int]:
        """The sizes of the uploaded files in bytes, by name."""
        return self._uploads.sizes

    @property
    def upload_source(self) -> MemorySource:
        """What the uploaded files describe. It is one of the sources while there are any."""
        return self._uploads.source

    async def add_uploads(self, files: Mapping[str, bytes]) -> MemorySource:
        """Add uploaded files by name (``.proto`` text, or descriptor sets) to those uploaded before.

        They make up the first source, because somebody has just supplied them for these calls. What compiles is used at
        once; the returned source's ``problems`` name what does not. Raises :class:`UploadError`.
        """
        await self._uploads.add(files)
        return self._use_uploads()

    async def remove_uploads(self, names: Collection[str] | None) -> MemorySource:
        """Remove uploaded files by name; all with None."""
        await self._uploads.remove(names)
        return self._use_uploads()

    def _use_uploads(self) -> MemorySource:
        """Ask the uploads first, if there are any."""
        source = self._uploads.source
        self.sources = [item for item in self.sources if item is not source]
        if self._uploads.sizes:
            self.sources.insert(0, source)
        self.clear()
        return source

    def replace_sources(self, sources: Sequence[Source]) -> None:
        """Ask these from now on, after what was uploaded."""
        self.sources = list(sources)
        self._use_uploads()

    def invalidate(self) -> None:
        """Refresh every symbol on its next use, because the target was reconnected."""
        self._symbols.invalidate()
        self._notify_change()

    def clear(self) -> None:
        """Fetch every symbol again before its next use, because sources have changed."""
        self._symbols.clear()
        self._notify_change()

    async def close(self) -> None:
        """Cancel the fetches in flight."""
        for task in self._source_tasks:
            task.cancel()
        await asyncio.gather(*self._source_tasks, return_exceptions=True)
        await self._symbols.close()

    async def _resolve(self, symbol: str) -> _Resolution:
        return await self._symbols.get(_check_name(symbol))

    def _notify_change(self) -> None:
        self._drift_checks.clear()
        for listener in self._change_listeners:
            listener()

    def _start_drift_check(self, linked: LinkedDescriptorSet) -> bool:
        """Whether a descriptor set is to be checked; False if it has been checked before."""
        if linked.digest in self._drift_checks or len(self._drift_checks) >= _MAX_DRIFT_CHECKS:
            return False
        self._drift_checks.add(linked.digest)
        return True

    async def _fetch(self, symbol: str) -> _Resolution:
        """Ask every source at once; use the first in order that knows the symbol."""
        tasks = [asyncio.ensure_future(source.fetch(symbol)) for source in self.sources]
        for task in tasks:
            self._source_tasks.add(task)
            task.add_done_callback(self._source_done)
        failures: list[SchemaError] = []
        try:
            for position, task in enumerate(tasks):
                try:
                    descriptor_set = await self._result(task, tasks[position + 1 :])
                except SchemaError as error:
                    failures.append(error)
                else:
                    return await self._link(descriptor_set, failures)
        finally:
            for task in tasks:
                task.cancel()
        try:
            return await self._link(await self._built_in_services.fetch(symbol), failures)
        except SchemaError:
            raise self._not_found(failures) from None

    async def _result(
        self, task: asyncio.Task[DescriptorSet], later: list[asyncio.Task[DescriptorSet]]
    ) -> DescriptorSet:
        """The result of a source; of a slow one only as long as no later source has a result."""
        await asyncio.wait([task], timeout=self._patience)
        while not task.done():
            if any(other.done() and not other.exception() for other in later):
                raise SchemaError("no answer yet", temporary=True)
            await asyncio.wait(
                [task, *(other for other in later if not other.done())], return_when="FIRST_COMPLETED"
            )
        return task.result()

    def _source_done(self, task: asyncio.Task[DescriptorSet]) -> None:
        self._source_tasks.discard(task)
        if not task.cancelled():
            task.exception()  # retrieved, so that asyncio does not warn of it

    async def _link(self, descriptor_set: DescriptorSet, failures: list[SchemaError]) -> _Resolution:
        """Link the answer of a source, after the ``failures`` of those before it."""
        complete = self._complete(descriptor_set)
        provisional = any(error.temporary for error in failures)
        resolution = await asyncio.to_thread(_Resolution, complete, provisional=provisional)
        for problem in self._further_problems(resolution.linked.problems):
            if problem not in self._logged and len(self._logged) < _MAX_LOGGED_PROBLEMS:
                self._logged.add(problem)
                _log.warning("%s: %s", descriptor_set.provenance.source, problem)
        for listener in self._descriptor_listeners:
            listener(complete)
        return resolution

    def _complete(self, descriptor_set: DescriptorSet) -> DescriptorSet:
        """Add the missing imports and the extensions that other sources know."""
        files = {file.name: file for file in descriptor_set.files}
        for source in self.sources:
            for file in source.fill(files):
                files.setdefault(file.name, file)
        return DescriptorSet(tuple(files.values()), descriptor_set.provenance)

    def _not_found(self, failures: list[SchemaError]) -> SchemaError:
        if not self.sources:
            return SchemaError(
                "reflection is off and no --proto or --protoset is given: messages stay undecoded"
            )
        return SchemaError(
            "; ".join(dict.fromkeys(map(str, failures))), temporary=any(error.temporary for error in failures)
        )


def _missing_method(resolution: _Resolution, service: str, name: str) -> SchemaError:
    """Why a method is missing from the descriptor set of its service: the file was rejected, or it has none such."""
    source = resolution.descriptor_set.provenance.source
    problems = resolution.linked.problems
    try:
        resolution.linked.pool.FindServiceByName(service)
    except KeyError:
        reasons = "; ".join(problems) or "its file cannot be used"
        return SchemaError(f"{source} describes {service}, but not usably: {reasons}", problems=problems)
    return SchemaError(f"{source} knows {service}, but no method {name} in it", problems=problems)


def _check_name(symbol: str) -> str:
    """The symbol; :class:`SchemaError` for text that no source can know, and that caches are not to keep."""
    if len(symbol) > _MAX_NAME:
        raise SchemaError(f"{symbol[:50]!r}… is too long for a name")
    if not symbol.isprintable():  # which lone surrogates are not either
        raise SchemaError(f"{symbol!r} is not a name")
    return symbol
