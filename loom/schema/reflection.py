"""Asks the target's reflection service: v1, and v1alpha where v1 is not answered.

Source: https://github.com/grpc/grpc/blob/master/doc/server-reflection.md. The two versions differ in the
service's name alone, so the messages of v1alpha (in grpcio-reflection) serve for both.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from typing import Any

import grpc
import grpc.aio
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message import DecodeError
from grpc_reflection.v1alpha.reflection_pb2 import (
    ExtensionRequest,
    ServerReflectionRequest,
    ServerReflectionResponse,
)

from loom.model import Metadata

from .pool import missing
from .source import FileSet, Provenance, SchemaError

_METHOD = "/grpc.reflection.{}.ServerReflection/ServerReflectionInfo"
_VERSIONS = ("v1", "v1alpha")
TIMEOUT = 10.0
MAX_FILES = 20_000


class ReflectionSource:
    """Fetches from one target. ``metadata`` goes with reflection only; ``timeout`` is in seconds, for one exchange."""

    name = "reflection"

    def __init__(
        self,
        channel: Callable[[], grpc.aio.Channel],
        origin: str,
        *,
        metadata: Metadata = (),
        timeout: float = TIMEOUT,
    ) -> None:
        self._channel = channel
        self._origin = origin
        self._metadata = metadata
        self._timeout = timeout
        self._version: str | None = None  # the one that has worked

    async def fetch(self, symbol: str) -> FileSet:
        """The files of a service or message, with what they import and the extensions of its files."""
        failures: list[str] = []
        temporary = False
        for version in [self._version] if self._version else _VERSIONS:
            try:
                files = await self._fetch(version, symbol)
            except _NotServedError as error:
                failures.append(f"{version}: {error}")
                temporary = temporary or error.temporary
                self._version = None
                continue
            self._version = version
            return FileSet(tuple(files), Provenance(f"reflection {version}", self._origin))
        raise SchemaError(
            f"{self._origin} does not answer reflection ({'; '.join(failures)}); "
            "enable it there, or pass --proto or --protoset",
            temporary=temporary,
        )

    async def _fetch(self, version: str, symbol: str) -> list[FileDescriptorProto]:
        call = self._channel().stream_stream(
            _METHOD.format(version),
            request_serializer=ServerReflectionRequest.SerializeToString,
            response_deserializer=ServerReflectionResponse.FromString,
        )(metadata=self._metadata or None, timeout=self._timeout)
        try:
            async with asyncio.timeout(self._timeout + 1):
                return await _Exchange(call).files_of(symbol)
        except TimeoutError:
            raise _NotServedError(f"no answer within {self._timeout:g} s", temporary=True) from None
        except grpc.aio.AioRpcError as error:
            raise _not_served(error) from error
        finally:
            call.cancel()


class _NotServedError(Exception):
    """This version is not answered here."""

    def __init__(self, message: str, *, temporary: bool) -> None:
        super().__init__(message)
        self.temporary = temporary


def _not_served(error: grpc.aio.AioRpcError) -> _NotServedError:
    code = error.code()
    text = f"{code.name} {' '.join((error.details() or '').split())}".strip()
    return _NotServedError(text, temporary=code is not grpc.StatusCode.UNIMPLEMENTED)


class _Exchange:
    """One reflection stream: ask, answer, ask."""

    def __init__(self, call: Any) -> None:
        self._call = call

    async def files_of(self, symbol: str) -> list[FileDescriptorProto]:
        files: dict[str, FileDescriptorProto] = {}
        _take(files, await self._ask(ServerReflectionRequest(file_containing_symbol=symbol)), symbol)
        await self._imports(files)
        # Servers that cannot answer for extensions may end the stream over the question.
        with contextlib.suppress(_NotServedError, grpc.aio.AioRpcError, asyncio.InvalidStateError):
            await self._extensions(files)
        return list(files.values())

    async def _imports(self, files: dict[str, FileDescriptorProto]) -> None:
        """Fetch by name what is imported and was not sent along; one missing file leaves the others."""
        asked: set[str] = set()
        while wanted := missing(files.values()) - asked:
            for name in sorted(wanted):
                asked.add(name)
                if len(files) >= MAX_FILES:
                    raise SchemaError(f"reflection gave more than {MAX_FILES} files")
                answer = await self._ask(ServerReflectionRequest(file_by_filename=name))
                if answer.HasField("file_descriptor_response"):
                    _add(files, answer.file_descriptor_response.file_descriptor_proto)

    async def _extensions(self, files: dict[str, FileDescriptorProto]) -> None:
        """Fetch the extensions of extensible messages, as far as the server answers for them."""
        extensible = [
            (f"{file.package}." if file.package else "") + message.name
            for file in files.values()
            for message in file.message_type
            if message.extension_range and not file.name.startswith("google/protobuf/")
        ]
        for message in extensible:
            answer = await self._ask(ServerReflectionRequest(all_extension_numbers_of_type=message))
            if not answer.HasField("all_extension_numbers_response"):
                continue
            for number in answer.all_extension_numbers_response.extension_number:
                request = ExtensionRequest(containing_type=message, extension_number=number)
                found = await self._ask(ServerReflectionRequest(file_containing_extension=request))
                if found.HasField("file_descriptor_response"):
                    _add(files, found.file_descriptor_response.file_descriptor_proto)
        await self._imports(files)

    async def _ask(self, request: ServerReflectionRequest) -> ServerReflectionResponse:
        await self._call.write(request)
        answer = await self._call.read()
        if answer is grpc.aio.EOF:
            code = await self._call.code()
            if code is grpc.StatusCode.OK:
                raise _NotServedError("the stream ended without an answer", temporary=True)
            text = f"{code.name} {await self._call.details() or ''}".strip()
            raise _NotServedError(text, temporary=code is not grpc.StatusCode.UNIMPLEMENTED)
        assert isinstance(answer, ServerReflectionResponse)  # noqa: S101 (tells the type checker)
        return answer


def _take(files: dict[str, FileDescriptorProto], answer: ServerReflectionResponse, symbol: str) -> None:
    if answer.HasField("file_descriptor_response"):
        _add(files, answer.file_descriptor_response.file_descriptor_proto)
        return
    error = answer.error_response
    raise SchemaError(f"reflection does not know {symbol} ({error.error_message or error.error_code})")


def _add(files: dict[str, FileDescriptorProto], serialized: Iterable[bytes]) -> None:
    for data in serialized:
        try:
            file = FileDescriptorProto.FromString(data)
        except DecodeError:
            continue  # named later, as an import that is missing
        files.setdefault(file.name, file)
