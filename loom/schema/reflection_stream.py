"""One stream of the reflection service: its requests and responses, with all the ways in which servers differ."""

import asyncio
import re
from collections.abc import Iterable, Sequence
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

from .built_in_files import BUILT_IN_FILES
from .parsing import parse_file
from .placeholders import defined_types, used_types
from .source import SchemaError

MAX_FILES = 20_000
MAX_EXTENSIBLE_MESSAGES = 200
_BATCH = 32  # requests that are sent before their responses are read
_WORD_STARTS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_BUILT_IN_TYPES = frozenset[str]().union(*map(defined_types, BUILT_IN_FILES.values()))

FilesByName = dict[str, FileDescriptorProto]


class ReflectionUnavailableError(Exception):
    """The server does not answer this version of reflection; ``temporary`` if it may do so later."""

    def __init__(self, message: str, *, temporary: bool) -> None:
        super().__init__(message)
        self.temporary = temporary


class ReflectionStream:
    """A stream of requests and responses. A response may take ``response_timeout`` seconds."""

    def __init__(self, call: Any, response_timeout: float, *, max_files: int = MAX_FILES) -> None:
        self._call = call
        self._response_timeout = response_timeout
        self._max_files = max_files

    async def fetch_files(self, symbol: str) -> FilesByName:
        """The files of a symbol and all their imports, as far as the server has them.

        Raises :class:`SchemaError` if the server does not know the symbol, :class:`ReflectionUnavailableError` if it
        does not answer.
        """
        files: FilesByName = {}
        [response] = await self._request([ServerReflectionRequest(file_containing_symbol=symbol)])
        if not _add_files(files, response):
            await self._try_usual_names(files, symbol, response)
        await self._add_imports(files)
        return files

    async def add_renamed_imports(self, files: FilesByName) -> None:
        """Add the files that the server has under another name than the one they are imported by.

        They are found by the types that are missing; each missing import then becomes a file that re-exports them.
        """
        defined = set(_BUILT_IN_TYPES).union(*map(defined_types, files.values()))
        missing = {
            name: undefined
            for name, file in list(files.items())
            if (undefined := used_types(file).keys() - defined)
            and any(item not in files and item not in BUILT_IN_FILES for item in file.dependency)
        }
        symbols = sorted({symbol.lstrip(".") for undefined in missing.values() for symbol in undefined})
        renamed: FilesByName = {}
        try:
            for response in await self._request(
                [ServerReflectionRequest(file_containing_symbol=symbol) for symbol in symbols]
            ):
                _add_files(renamed, response)
        except ReflectionUnavailableError:
            return
        renamed = {name: file for name, file in renamed.items() if name not in files}
        files.update(renamed)
        for name, undefined in missing.items():
            exporting = [item for item, file in renamed.items() if undefined & defined_types(file)]
            for dependency in list(files[name].dependency):
                if exporting and dependency not in files and dependency not in BUILT_IN_FILES:
                    files[dependency] = FileDescriptorProto(
                        name=dependency,
                        syntax="proto3",
                        dependency=exporting,
                        public_dependency=range(len(exporting)),
                    )
        if renamed:
            await self._add_imports(files)

    async def add_extensions(
        self, files: FilesByName, messages: Sequence[str], *, max_messages: int = MAX_EXTENSIBLE_MESSAGES
    ) -> None:
        """Add the files that extend ``messages``, at most ``max_messages`` of them, if the server knows any."""
        try:
            for message in messages[:max_messages]:
                [response] = await self._request(
                    [ServerReflectionRequest(all_extension_numbers_of_type=message)]
                )
                numbers = response.all_extension_numbers_response.extension_number
                requests = [
                    ServerReflectionRequest(
                        file_containing_extension=ExtensionRequest(
                            containing_type=message, extension_number=number
                        )
                    )
                    for number in numbers
                ]
                for extension in await self._request(requests):
                    _add_files(files, extension)
            await self._add_imports(files)
        except ReflectionUnavailableError:
            return

    async def _try_usual_names(
        self, files: FilesByName, symbol: str, refusal: ServerReflectionResponse
    ) -> None:
        """Try the file names that a service usually has: some servers know files by name only."""
        for response in await self._request(
            [ServerReflectionRequest(file_by_filename=name) for name in _usual_names(symbol)]
        ):
            candidates: FilesByName = {}
            if _add_files(candidates, response) and any(
                _defines(file, symbol) for file in candidates.values()
            ):
                files.update(candidates)
                return
        error = refusal.error_response
        text = " ".join((error.error_message or f"error {error.error_code}").split())
        raise SchemaError(f"reflection does not know {symbol} ({text})")

    async def _add_imports(self, files: FilesByName) -> None:
        """Fetch by name the imports that were not sent along; one that is missing does not stop the others."""
        requested: set[str] = set()
        visited: set[str] = set()
        while True:
            unvisited = [files[name] for name in files if name not in visited]
            visited.update(file.name for file in unvisited)
            imports = dict.fromkeys(name for file in unvisited for name in file.dependency)
            missing = [
                name
                for name in imports
                if name not in files and name not in requested and name not in BUILT_IN_FILES
            ]
            if not missing:
                return
            requested.update(missing)
            if len(files) + len(missing) > self._max_files:
                raise SchemaError(f"reflection gave more than {self._max_files} files")
            for response in await self._request(
                [ServerReflectionRequest(file_by_filename=name) for name in missing]
            ):
                _add_files(files, response)

    async def _request(self, requests: Sequence[ServerReflectionRequest]) -> list[ServerReflectionResponse]:
        """The responses in the order of the requests, which are sent in batches."""
        responses: list[ServerReflectionResponse] = []
        for start in range(0, len(requests), _BATCH):
            batch = requests[start : start + _BATCH]
            try:
                for request in batch:
                    await self._call.write(request)
                for _ in batch:
                    async with asyncio.timeout(self._response_timeout):
                        responses.append(await self._read())
            except TimeoutError:
                raise ReflectionUnavailableError(
                    f"no answer within {self._response_timeout:g} s", temporary=True
                ) from None
            except grpc.aio.AioRpcError as error:
                raise _unavailable(error.code(), error.details()) from error
            except asyncio.InvalidStateError:  # written to a stream that the server has ended
                raise _unavailable(await self._call.code(), await self._call.details()) from None
        return responses

    async def _read(self) -> ServerReflectionResponse:
        response = await self._call.read()
        if isinstance(response, ServerReflectionResponse):
            return response
        raise _unavailable(await self._call.code(), await self._call.details())


def _unavailable(code: grpc.StatusCode, details: str | None) -> ReflectionUnavailableError:
    if code is grpc.StatusCode.OK:
        return ReflectionUnavailableError("the stream ended without an answer", temporary=True)
    text = f"{code.name} {' '.join((details or '').split())}".strip()
    return ReflectionUnavailableError(text, temporary=code is not grpc.StatusCode.UNIMPLEMENTED)


def _add_files(files: FilesByName, response: ServerReflectionResponse) -> bool:
    """Add the files of a response that are not there yet; False if the response has none."""
    if not response.HasField("file_descriptor_response"):
        return False
    _parse_files(files, response.file_descriptor_response.file_descriptor_proto)
    return True


def _parse_files(files: FilesByName, serialized: Iterable[bytes]) -> None:
    for data in serialized:
        try:
            file = parse_file(data)
        except DecodeError:
            continue  # the linker will name it as a missing import
        files.setdefault(file.name, file)


def _defines(file: FileDescriptorProto, symbol: str) -> bool:
    prefix = f"{file.package}." if file.package else ""
    names = (*(item.name for item in file.service), *(item.name for item in file.message_type))
    return symbol in {prefix + name for name in names}


def _usual_names(symbol: str) -> list[str]:
    package, _, name = symbol.rpartition(".")
    folder = package.replace(".", "/")
    snake = _WORD_STARTS.sub("_", name).lower()
    stems = dict.fromkeys(
        [snake, snake.removesuffix("_service"), package.rpartition(".")[2] or snake, "service"]
    )
    in_folder = [f"{folder}/{stem}.proto" for stem in stems if folder]
    return [*in_folder, *(f"{stem}.proto" for stem in stems), f"{folder or snake}.proto"]
