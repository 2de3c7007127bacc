"""HTTP/2 error codes and HTTP statuses as gRPC statuses.

Sources: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md ("HTTP2 Transport Mapping") and
https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md.
"""

import enum

from loom.model import StatusCode


class ErrorCode(enum.IntEnum):
    """RFC 9113, section 7."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    CONNECT_ERROR = 10
    ENHANCE_YOUR_CALM = 11
    INADEQUATE_SECURITY = 12
    HTTP_1_1_REQUIRED = 13


_OF_RESET = {
    ErrorCode.REFUSED_STREAM: StatusCode.UNAVAILABLE,
    ErrorCode.CANCEL: StatusCode.CANCELLED,
    ErrorCode.ENHANCE_YOUR_CALM: StatusCode.RESOURCE_EXHAUSTED,
    ErrorCode.INADEQUATE_SECURITY: StatusCode.PERMISSION_DENIED,
}
_OF_HTTP = {
    400: StatusCode.INTERNAL,
    401: StatusCode.UNAUTHENTICATED,
    403: StatusCode.PERMISSION_DENIED,
    404: StatusCode.UNIMPLEMENTED,
    429: StatusCode.UNAVAILABLE,
    502: StatusCode.UNAVAILABLE,
    503: StatusCode.UNAVAILABLE,
    504: StatusCode.UNAVAILABLE,
}


def error_name(code: int) -> str:
    """The name of an HTTP/2 error code; ``0x…`` where it has none."""
    try:
        return ErrorCode(code).name
    except ValueError:
        return f"0x{code:x}"


def of_reset(code: int) -> StatusCode:
    """The status that a client derives from a RST_STREAM of the server's."""
    return _OF_RESET.get(code, StatusCode.INTERNAL)  # type: ignore[call-overload, no-any-return]


def of_http(status: int) -> StatusCode:
    """The status that a client derives from an HTTP status without ``grpc-status``."""
    return _OF_HTTP.get(status, StatusCode.UNKNOWN)
