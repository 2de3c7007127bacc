"""Failures as https://google.aip.dev/193 wants them: a status, and details that say what to do."""

from __future__ import annotations  # grpc's types are generic for type checkers only

from collections.abc import Sequence
from typing import Any, NoReturn

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from loom.model.metadata import GRPC_STATUS_DETAILS

_DOMAIN = "harbour.example"


async def refuse(
    context: grpc.aio.ServicerContext[Any, Any],
    code: grpc.StatusCode,
    message: str,
    details: Sequence[Message] = (),
) -> NoReturn:
    """End the call with this status; details travel in ``grpc-status-details-bin``."""
    status = status_pb2.Status(code=code.value[0], message=message)
    for detail in details:
        status.details.add().Pack(detail)
    trailers = ((GRPC_STATUS_DETAILS, status.SerializeToString()),) if details else ()
    await context.abort(code, message, trailers)


def unknown_vessel(vessel_id: str) -> list[Message]:
    """Which resource there is not, in two languages."""
    return [
        error_details_pb2.ResourceInfo(
            resource_type="harbour.v1.Vessel",
            resource_name=vessel_id,
            description="never seen in this harbour",
        ),
        error_details_pb2.ErrorInfo(reason="UNKNOWN_VESSEL", domain=_DOMAIN, metadata={"vessel": vessel_id}),
        error_details_pb2.LocalizedMessage(locale="de-DE", message=f"Kein Schiff „{vessel_id}“ bekannt."),
    ]


def bad_fields(violations: dict[str, str]) -> list[Message]:
    """Which fields are wrong, and how."""
    request = error_details_pb2.BadRequest()
    for field, description in violations.items():
        request.field_violations.add(field=field, description=description)
    return [request]


def berth_taken(quay: str, retry_seconds: int) -> list[Message]:
    """What stands in the way, and when to try again."""
    failure = error_details_pb2.PreconditionFailure()
    failure.violations.add(type="BERTH", subject=quay, description="moored: Aurora Borealis")
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromSeconds(retry_seconds)
    return [
        failure,
        retry,
        error_details_pb2.Help(links=[{"description": "tides", "url": "https://harbour.example"}]),
    ]


def quota_spent(subject: str) -> list[Message]:
    """Whose quota is spent."""
    failure = error_details_pb2.QuotaFailure()
    failure.violations.add(subject=subject, description="60 manifests an hour")
    return [failure]


def token_wanted() -> list[Message]:
    """Why the caller is not let in."""
    return [error_details_pb2.ErrorInfo(reason="TOKEN_MISSING", domain=_DOMAIN)]
