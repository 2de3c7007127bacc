"""Messages of a call (``/api/calls/{id}/messages``, ``…/samples``, ``…/originals``)."""

from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from loom.api import endpoints
from loom.api.messages import (
    MessageParameters,
    MessagesPage,
    MessagesParameters,
    SamplesParameters,
    StreamSamples,
)
from loom.inspector.context import inspector_of
from loom.inspector.requests import find_call, read_parameters
from loom.inspector.responses import ApiError, JsonResponse
from loom.inspector.routing import route
from loom.model import Call, Direction, Message
from loom.model.interception import Point


async def list_messages(request: Request) -> Response:
    """A page of rows."""
    parameters = read_parameters(request, MessagesParameters)
    call = await find_call(request)
    decoder = inspector_of(request).decoder
    rows = [
        await decoder.row(call, message) for message in call.messages.page(parameters.start, parameters.limit)
    ]
    gap = call.messages.gap()
    return JsonResponse(
        MessagesPage(
            total=call.request_messages + call.response_messages,
            gap=(gap.start, gap.stop) if gap else None,
            half_closed_after=call.half_closed_after,
            messages=rows,
        )
    )


async def sample_messages(request: Request) -> Response:
    """Messages at evenly spaced indices, the first and the last among them."""
    points = read_parameters(request, SamplesParameters).points
    call = await find_call(request)
    total = call.request_messages + call.response_messages
    step = max(1.0, (total - 1) / (points - 1))
    indices = sorted({min(total - 1, round(at * step)) for at in range(min(points, total))})
    messages = (call.messages.get(index) for index in indices)
    return JsonResponse(
        StreamSamples(total, [_sample(message) for message in messages if message is not None])
    )


def _sample(message: Message) -> tuple[int, int, Literal[0, 1], int]:
    direction: Literal[0, 1] = 1 if message.direction is Direction.RESPONSE else 0
    return message.index, message.time_ns // 1000, direction, message.size


async def get_message(request: Request) -> Response:
    """One message in every view, or its bytes."""
    parameters = read_parameters(request, MessageParameters)
    call = await find_call(request)
    index = request.path_params["index"]
    return await _answer(request, call, _find_message(call, index), parameters, f"message {index}")


async def get_original(request: Request) -> Response:
    """One message as it came, before something altered it, in every view, or its bytes."""
    parameters = read_parameters(request, MessageParameters)
    call = await find_call(request)
    number = request.path_params["number"]
    return await _answer(request, call, _find_original(call, number), parameters, f"original {number}")


async def _answer(
    request: Request, call: Call, message: Message, parameters: MessageParameters, label: str
) -> Response:
    if not parameters.raw:
        decoder = inspector_of(request).decoder
        return JsonResponse(await decoder.view(call, message, parameters.bytes, parameters.text))
    if message.data is None:
        raise ApiError(410, f"the bytes of {label} of call {call.id} are not held")
    name = f"call-{call.id}-{label.replace(' ', '-')}.bin"
    return Response(
        message.data,
        media_type=endpoints.BINARY,
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


def _find_message(call: Call, index: int) -> Message:
    message = call.messages.get(index)
    if message is not None:
        return message
    if index in call.messages.gap():
        raise ApiError(
            410,
            f"message {index} of call {call.id} was dropped to stay within the history's budget",
            "raise --history-bytes to hold more",
        )
    raise ApiError(404, f"call {call.id} has no message {index}")


def _find_original(call: Call, number: int) -> Message:
    """The message that came, as the first that went on in its place would be numbered."""
    item = call.interceptions[number] if number < len(call.interceptions) else None
    if item is None or (item.data is None and not item.size):
        raise ApiError(404, f"call {call.id} has no original {number}")
    direction = Direction.REQUEST if item.point is Point.REQUEST_MESSAGE else Direction.RESPONSE
    return Message(
        item.position, direction, item.came_ns, item.size, item.data, item.compressed, item.encoding
    )


routes = [
    route(endpoints.LIST_MESSAGES, list_messages),
    route(endpoints.SAMPLE_MESSAGES, sample_messages),
    route(endpoints.GET_MESSAGE, get_message),
    route(endpoints.GET_ORIGINAL, get_original),
]
