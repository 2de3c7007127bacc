"""A source that asks the target's reflection service: v1, and v1alpha if the server does not answer v1.

Source: https://github.com/grpc/grpc/blob/master/doc/server-reflection.md. The two versions differ in the
service's name only, so that the messages of v1alpha (in grpcio-reflection) serve for both.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping

import grpc
import grpc.aio
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse

from loom.model import Metadata

from .descriptor_index import extensible_messages
from .linker import missing_imports
from .reflection_stream import ReflectionStream, ReflectionUnavailableError
from .source import DescriptorSet, Provenance, SchemaError

_METHOD = "/grpc.reflection.{}.ServerReflection/ServerReflectionInfo"
VERSIONS = ("v1", "v1alpha")
RESPONSE_TIMEOUT = 5.0
FETCH_TIMEOUT = 60.0


class ReflectionSource:
    """Fetches descriptors from one target.

    ``metadata`` is sent to the reflection service only, for servers that require authorisation. A fetch fails when one
    response takes longer than ``response_timeout`` seconds, or all of it longer than ``fetch_timeout``.
    """

    name = "reflection"
    problems: tuple[str, ...] = ()

    def __init__(
        self,
        channel: Callable[[], grpc.aio.Channel],
        origin: str,
        *,
        metadata: Metadata = (),
        response_timeout: float = RESPONSE_TIMEOUT,
        fetch_timeout: float = FETCH_TIMEOUT,
    ) -> None:
        self._channel = channel
        self._origin = origin
        self._metadata = metadata
        self._response_timeout = response_timeout
        self._fetch_timeout = fetch_timeout
        self._versions: tuple[str, ...] = VERSIONS  # the one that was answered last comes first

    async def fetch(self, symbol: str) -> DescriptorSet:
        """The files of a service or message, their imports, and the extensions of their messages."""
        failures: list[str] = []
        temporary = False
        for version in self._versions:
            try:
                async with asyncio.timeout(self._fetch_timeout):
                    files = await self._fetch(version, symbol)
            except TimeoutError:
                failures.append(f"{version}: not done within {self._fetch_timeout:g} s")
                temporary = True
            except ReflectionUnavailableError as error:
                failures.append(f"{version}: {error}")
                temporary = temporary or error.temporary
            else:
                self._versions = (version, *(other for other in VERSIONS if other != version))
                return DescriptorSet(tuple(files), Provenance(f"reflection {version}", self._origin))
        raise SchemaError(
            f"{self._origin} does not answer reflection ({'; '.join(failures)}); "
            "enable it there, or pass --proto or --protoset",
            temporary=temporary,
        )

    def fill(self, files: Mapping[str, FileDescriptorProto]) -> list[FileDescriptorProto]:
        """Nothing: reflection needs I/O."""
        del files
        return []

    async def _fetch(self, version: str, symbol: str) -> list[FileDescriptorProto]:
        with self._stream(version) as stream:
            files = await stream.fetch_files(symbol)
        # A server may end the stream over a request that it does not support: optional ones get streams of their own.
        if missing_imports(files.values()):
            with self._stream(version) as stream:
                await stream.add_renamed_imports(files)
        if messages := extensible_messages(files.values()):
            with self._stream(version) as stream:
                await stream.add_extensions(files, messages)
        return list(files.values())

    @contextlib.contextmanager
    def _stream(self, version: str) -> Iterator[ReflectionStream]:
        call = self._channel().stream_stream(
            _METHOD.format(version),
            request_serializer=ServerReflectionRequest.SerializeToString,
            response_deserializer=ServerReflectionResponse.FromString,
        )(metadata=self._metadata or None)
        try:
            yield ReflectionStream(call, self._response_timeout)
        finally:
            call.cancel()
