"""What can be done with a call over HTTP: the grpcurl command, its schema as a file, replay, diff."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from loom.decoding.any_types import with_any_types
from loom.decoding.call_decoder import decode_call
from loom.errors import ConfigError
from loom.grpcurl.command_builder import CommandBuilder
from loom.model import Address, Call, Direction, Secrets
from loom.replay.diff import diff_calls, diff_messages
from loom.replay.ignore_paths import IgnorePaths, PathError
from loom.replay.plan import Edits, ReplayError, Timing, parse_metadata, plan_replay
from loom.replay.runner import ReplayRunner
from loom.schema import SchemaError

from .calls import found
from .context import inspector_of
from .responses import ApiError, Json, flag, integer

_MAX_BODY = 64 * 1024 * 1024
_MAX_CHANGES = 10_000
_LONGEST_DEADLINE_MS = 10**12
_UNPROCESSABLE = 422


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a replay, as in docs/api.md; what is left out stays as recorded."""

    target: str | None = None
    metadata: list[dict[str, Any]] | None = None
    messages: list[Any] | None = None
    deadline_ms: float | None = None
    timing: Timing = Timing.FAST


@dataclass(frozen=True, slots=True)
class Actions:
    """The handlers' hands; :meth:`routes` is what the inspector's app is made with.

    Without a ``replayer`` there is nowhere to send a call to, and no route for it.
    """

    commands: CommandBuilder
    replayer: ReplayRunner | None

    def routes(self) -> list[Route]:
        found = [
            Route("/api/calls/{id:int}/grpcurl", self.grpcurl),
            Route("/api/calls/{id:int}/protoset", self.protoset),
            Route("/api/calls/{id:int}/diff/{other:int}", self.diff),
        ]
        if self.replayer is not None:
            found.append(Route("/api/calls/{id:int}/replay", self.replay, methods=["POST"]))
        return found

    async def grpcurl(self, request: Request) -> Response:
        """The command that sends the call again."""
        call = await found(request, inspector_of(request))
        file = request.query_params.get("protoset")
        command = await self.commands.build(
            call,
            reveal=flag(request, "reveal"),
            through_loom=request.query_params.get("via") == "loom",
            protoset=Path(file) if file else None,
        )
        return Json(command.as_json())

    async def protoset(self, request: Request) -> Response:
        """The method's schema as a serialized FileDescriptorSet."""
        call = await found(request, inspector_of(request))
        try:
            files = await self.commands.descriptor_set(call.method)
        except SchemaError as error:
            raise ApiError(404, str(error), "start Loom with --proto or --protoset") from error
        name = "".join(character if character.isalnum() else "." for character in call.service)
        return Response(
            files.SerializeToString(),
            media_type="application/octet-stream",
            headers={
                "Content-Disposition": f'attachment; filename="{name}.protoset"',
                "Cache-Control": "no-store",
            },
        )

    async def replay(self, request: Request) -> Response:
        """Send the call again, as recorded or edited; answers at once."""
        call = await found(request, inspector_of(request))
        body = await _body(request)
        try:
            return Json({"id": await self._replay(call, body)})
        except ReplayError as error:
            raise ApiError(
                _UNPROCESSABLE, str(error), field=error.field, message_index=error.message_index
            ) from error

    async def _replay(self, call: Call, body: _Body) -> int:
        assert self.replayer is not None  # noqa: S101 (there is a route)
        edits = Edits(
            target=_address(body.target),
            metadata=None if body.metadata is None else parse_metadata(body.metadata, call.request_metadata),
            messages=body.messages,
            deadline=_deadline(body.deadline_ms),
            timing=body.timing,
        )
        if body.messages is None:
            return await self.replayer.start(plan_replay(call, edits))
        decoding = await decode_call(self.commands.schema, call, Direction.REQUEST)
        types = await with_any_types(body.messages, decoding.resolver, self.commands.schema)
        return await self.replayer.start(plan_replay(call, edits, decoding, types))

    async def diff(self, request: Request) -> Response:
        """What differs between two calls, or between two messages of theirs (``message=``, ``other_message=``)."""
        inspector = inspector_of(request)
        left, right = await found(request, inspector), await found(request, inspector, "other")
        ignore = _ignore_paths(request)
        before = await decode_call(self.commands.schema, left)
        after = await decode_call(self.commands.schema, right)
        index = integer(request, "message", None)
        if index is None:
            changes = await asyncio.to_thread(
                diff_calls,
                left,
                right,
                before,
                after,
                ignore=ignore,
                secrets=Secrets(()) if flag(request, "reveal") else inspector.secrets,
            )
        else:
            position = integer(request, "other_message", index)
            one = next((item for item in before.messages if item.index == index), None)
            two = next((item for item in after.messages if item.index == position), None)
            if one is None or two is None:
                gone, whose = (index, left.id) if one is None else (position, right.id)
                raise ApiError(404, f"call {whose} holds no message {gone}")
            changes = diff_messages(one, two, f"{one.direction.value} {index}", ignore)
        return Json(
            {
                "equal": not changes,
                "changes": [change.as_json() for change in changes[:_MAX_CHANGES]],
                "more": max(len(changes) - _MAX_CHANGES, 0),
            }
        )


def _ignore_paths(request: Request) -> IgnorePaths:
    try:
        return IgnorePaths(request.query_params.getlist("ignore"))
    except PathError as error:
        raise ApiError(400, str(error), "see docs/replay.md", column=error.column, field="ignore") from error


async def _body(request: Request) -> _Body:
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > _MAX_BODY:
            raise ApiError(413, f"the body is larger than {_MAX_BODY} bytes")
    try:
        return msgspec.json.decode(bytes(data) or b"{}", type=_Body)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise ApiError(400, f"the body is not what a replay takes: {error}", "see docs/api.md") from error


def _address(text: str | None) -> Address | None:
    if not text:
        return None
    try:
        return Address.parse(text)
    except ConfigError as error:
        raise ReplayError(str(error), field="target") from error


def _deadline(milliseconds: float | None) -> float | None:
    if milliseconds is None:
        return None
    if not 0 <= milliseconds <= _LONGEST_DEADLINE_MS:
        raise ReplayError("a deadline is 0 (none) or more milliseconds", field="deadline_ms")
    return milliseconds / 1000
