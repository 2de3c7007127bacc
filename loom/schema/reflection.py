"""Asks the target's reflection service: v1, and v1alpha where v1 is not answered.

Source: https://github.com/grpc/grpc/blob/master/doc/server-reflection.md. The two versions differ in the
service's name alone, so the messages of v1alpha (in grpcio-reflection) serve for both.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping

import grpc
import grpc.aio
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse

from loom.model import Metadata

from .descriptor_index import extensible
from .reflection_stream import ReflectionStream, ReflectionUnavailableError
from .source import DescriptorSet, Provenance, SchemaError

_METHOD = "/grpc.reflection.{}.ServerReflection/ServerReflectionInfo"
VERSIONS = ("v1", "v1alpha")
STALL = 5.0
TOTAL = 60.0


class ReflectionSource:
    """Fetches from one target.

    ``metadata`` goes with reflection only, for servers that want to be authorised. An exchange is given up when
    an answer takes longer than ``stall`` seconds, or all of it longer than ``total``.
    """

    name = "reflection"
    problems: tuple[str, ...] = ()

    def __init__(
        self,
        channel: Callable[[], grpc.aio.Channel],
        origin: str,
        *,
        metadata: Metadata = (),
        stall: float = STALL,
        total: float = TOTAL,
    ) -> None:
        self._channel = channel
        self._origin = origin
        self._metadata = metadata
        self._stall = stall
        self._total = total
        self._versions: tuple[str, ...] = VERSIONS  # the one that has worked comes first

    async def fetch(self, symbol: str) -> DescriptorSet:
        """The files of a service or message, with what they import and the extensions of its files."""
        failures: list[str] = []
        temporary = False
        for version in self._versions:
            try:
                async with asyncio.timeout(self._total):
                    files = await self._fetch(version, symbol)
            except TimeoutError:
                failures.append(f"{version}: not done within {self._total:g} s")
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
        """Nothing: all that reflection knows takes an exchange."""
        del files
        return []

    async def _fetch(self, version: str, symbol: str) -> list[FileDescriptorProto]:
        with self._exchange(version) as exchange:
            files = await exchange.files_of(symbol)
        # Servers that cannot answer about extensions may end the stream over the question: it gets one of its own.
        if messages := extensible(files.values()):
            with self._exchange(version) as exchange:
                await exchange.add_extensions(files, messages)
        return list(files.values())

    @contextlib.contextmanager
    def _exchange(self, version: str) -> Iterator[ReflectionStream]:
        call = self._channel().stream_stream(
            _METHOD.format(version),
            request_serializer=ServerReflectionRequest.SerializeToString,
            response_deserializer=ServerReflectionResponse.FromString,
        )(metadata=self._metadata or None)
        try:
            yield ReflectionStream(call, self._stall)
        finally:
            call.cancel()
