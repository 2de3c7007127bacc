"""One reflection stream: ask, answer, ask; with servers as they are."""

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

from .linker import BUILT_IN_FILES
from .source import SchemaError

MAX_FILES = 20_000
_AT_ONCE = 32  # questions sent before their answers are read
_MAX_EXTENSIBLE = 200
_WORD_STARTS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

Files = dict[str, FileDescriptorProto]


class ReflectionUnavailableError(Exception):
    """This version of reflection is not answered here; ``temporary`` if another time it may be."""

    def __init__(self, message: str, *, temporary: bool) -> None:
        super().__init__(message)
        self.temporary = temporary


class ReflectionStream:
    """Questions and answers on one stream. ``stall`` seconds are how long one answer may take."""

    def __init__(self, call: Any, stall: float) -> None:
        self._call = call
        self._stall = stall

    async def files_of(self, symbol: str) -> Files:
        """The files of a symbol and all that they import, as far as the server has it.

        Raises :class:`SchemaError` if the server does not know the symbol, :class:`ReflectionUnavailableError` if it
        does not answer.
        """
        files: Files = {}
        [answer] = await self._ask([ServerReflectionRequest(file_containing_symbol=symbol)])
        if not _take(files, answer):
            await self._guess(files, symbol, answer)
        await self._add_imports(files)
        return files

    async def add_extensions(self, files: Files, messages: Sequence[str]) -> None:
        """Add the files that extend ``messages``; a server that cannot tell leaves them as they are."""
        try:
            for message in messages[:_MAX_EXTENSIBLE]:
                [answer] = await self._ask([ServerReflectionRequest(all_extension_numbers_of_type=message)])
                numbers = answer.all_extension_numbers_response.extension_number
                questions = [
                    ServerReflectionRequest(
                        file_containing_extension=ExtensionRequest(
                            containing_type=message, extension_number=number
                        )
                    )
                    for number in numbers
                ]
                for found in await self._ask(questions):
                    _take(files, found)
            await self._add_imports(files)
        except ReflectionUnavailableError:
            return

    async def _guess(self, files: Files, symbol: str, refusal: ServerReflectionResponse) -> None:
        """Some servers find files by name only: try where a service usually lives."""
        for answer in await self._ask(
            [ServerReflectionRequest(file_by_filename=name) for name in _usual_names(symbol)]
        ):
            found: Files = {}
            if _take(found, answer) and any(_defines(file, symbol) for file in found.values()):
                files.update(found)
                return
        error = refusal.error_response
        text = " ".join((error.error_message or f"error {error.error_code}").split())
        raise SchemaError(f"reflection does not know {symbol} ({text})")

    async def _add_imports(self, files: Files) -> None:
        """Fetch by name what is imported and was not sent along; one missing file leaves the others."""
        asked: set[str] = set()
        seen: set[str] = set()
        while True:
            fresh = [files[name] for name in files if name not in seen]
            seen.update(file.name for file in fresh)
            imported = dict.fromkeys(name for file in fresh for name in file.dependency)
            wanted = [
                name
                for name in imported
                if name not in files and name not in asked and name not in BUILT_IN_FILES
            ]
            if not wanted:
                return
            asked.update(wanted)
            if len(files) + len(wanted) > MAX_FILES:
                raise SchemaError(f"reflection gave more than {MAX_FILES} files")
            for answer in await self._ask(
                [ServerReflectionRequest(file_by_filename=name) for name in wanted]
            ):
                _take(files, answer)

    async def _ask(self, questions: Sequence[ServerReflectionRequest]) -> list[ServerReflectionResponse]:
        """The answers in the order of the questions; several are under way at once."""
        answers: list[ServerReflectionResponse] = []
        for start in range(0, len(questions), _AT_ONCE):
            some = questions[start : start + _AT_ONCE]
            try:
                for question in some:
                    await self._call.write(question)
                for _ in some:
                    async with asyncio.timeout(self._stall):
                        answers.append(await self._read())
            except TimeoutError:
                raise ReflectionUnavailableError(
                    f"no answer within {self._stall:g} s", temporary=True
                ) from None
            except grpc.aio.AioRpcError as error:
                raise _not_served(error.code(), error.details()) from error
            except asyncio.InvalidStateError:  # written to a stream that the server has ended
                raise _not_served(await self._call.code(), await self._call.details()) from None
        return answers

    async def _read(self) -> ServerReflectionResponse:
        answer = await self._call.read()
        if isinstance(answer, ServerReflectionResponse):
            return answer
        raise _not_served(await self._call.code(), await self._call.details())


def _not_served(code: grpc.StatusCode, details: str | None) -> ReflectionUnavailableError:
    if code is grpc.StatusCode.OK:
        return ReflectionUnavailableError("the stream ended without an answer", temporary=True)
    text = f"{code.name} {' '.join((details or '').split())}".strip()
    return ReflectionUnavailableError(text, temporary=code is not grpc.StatusCode.UNIMPLEMENTED)


def _take(files: Files, answer: ServerReflectionResponse) -> bool:
    """Add the files of an answer, each once; False if it has none."""
    if not answer.HasField("file_descriptor_response"):
        return False
    _add(files, answer.file_descriptor_response.file_descriptor_proto)
    return True


def _add(files: Files, serialized: Iterable[bytes]) -> None:
    for data in serialized:
        try:
            file = FileDescriptorProto.FromString(data)
        except DecodeError:
            continue  # named later, as an import that is missing
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
    places = [f"{folder}/{stem}.proto" for stem in stems if folder]
    return [*places, *(f"{stem}.proto" for stem in stems), f"{folder or snake}.proto"]
