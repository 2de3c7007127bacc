"""The grpcurl command of a call, and its schema as a file (``/api/calls/{id}/grpcurl``, ``/protoset``)."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from loom.api import endpoints
from loom.api.replay import GrpcurlParameters
from loom.inspector.context import inspector_of
from loom.inspector.requests import find_call, read_parameters
from loom.inspector.responses import ApiError, JsonResponse
from loom.inspector.routing import route
from loom.schema import SchemaError


async def get_grpcurl(request: Request) -> Response:
    """The command that sends the call again."""
    parameters = read_parameters(request, GrpcurlParameters)
    call = await find_call(request)
    command = await inspector_of(request).commands.build(
        call,
        reveal=parameters.reveal,
        through_loom=parameters.via == "loom",
        protoset=Path(parameters.protoset) if parameters.protoset else None,
    )
    return JsonResponse(command)


async def get_protoset(request: Request) -> Response:
    """The method's schema as a serialized FileDescriptorSet."""
    call = await find_call(request)
    try:
        files = await inspector_of(request).commands.descriptor_set(call.method)
    except SchemaError as error:
        raise ApiError(404, str(error), "start Loom with --proto or --protoset") from error
    name = "".join(
        character if character.isascii() and character.isalnum() else "." for character in call.service
    )
    return Response(
        files.SerializeToString(),
        media_type=endpoints.BINARY,
        headers={
            "Content-Disposition": f'attachment; filename="{name}.protoset"',
            "Cache-Control": "no-store",
        },
    )


routes = [
    route(endpoints.GET_GRPCURL, get_grpcurl),
    route(endpoints.GET_PROTOSET, get_protoset),
]
