"""The specified mapping of HTTP/2 error codes and HTTP statuses to gRPC status codes.

Sources: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md ("HTTP2 Transport Mapping") and
https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md.
"""

import enum

from .status import StatusCode


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


_CODE_BY_RESET = {
    ErrorCode.REFUSED_STREAM: StatusCode.UNAVAILABLE,
    ErrorCode.CANCEL: StatusCode.CANCELLED,
    ErrorCode.ENHANCE_YOUR_CALM: StatusCode.RESOURCE_EXHAUSTED,
    ErrorCode.INADEQUATE_SECURITY: StatusCode.PERMISSION_DENIED,
}
_CODE_BY_HTTP_STATUS = {
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
    """The name of an HTTP/2 error code; ``0x…`` for an unassigned one."""
    try:
        return ErrorCode(code).name
    except ValueError:
        return f"0x{code:x}"


def code_of_reset(code: int) -> StatusCode:
    """The code that a client reports for a RST_STREAM from the server."""
    return _CODE_BY_RESET.get(code, StatusCode.INTERNAL)  # type: ignore[call-overload, no-any-return]


def code_of_http_status(status: int) -> StatusCode:
    """The code that a client reports for a response with this HTTP status and no ``grpc-status``."""
    return _CODE_BY_HTTP_STATUS.get(status, StatusCode.UNKNOWN)
