"""HTTP/2 error codes and HTTP statuses as the specification maps them to gRPC codes."""

import pytest

from loom.model import StatusCode
from loom.model.status_mapping import code_of_http_status, code_of_reset, error_name


@pytest.mark.parametrize(
    ("code", "name", "status"),
    [
        (0, "NO_ERROR", StatusCode.INTERNAL),
        (7, "REFUSED_STREAM", StatusCode.UNAVAILABLE),
        (8, "CANCEL", StatusCode.CANCELLED),
        (11, "ENHANCE_YOUR_CALM", StatusCode.RESOURCE_EXHAUSTED),
        (12, "INADEQUATE_SECURITY", StatusCode.PERMISSION_DENIED),
        (99, "0x63", StatusCode.INTERNAL),
    ],
)
def test_resets(code: int, name: str, status: StatusCode) -> None:
    assert (error_name(code), code_of_reset(code)) == (name, status)


@pytest.mark.parametrize(
    ("http_status", "status"),
    [
        (400, StatusCode.INTERNAL),
        (401, StatusCode.UNAUTHENTICATED),
        (403, StatusCode.PERMISSION_DENIED),
        (404, StatusCode.UNIMPLEMENTED),
        (429, StatusCode.UNAVAILABLE),
        (502, StatusCode.UNAVAILABLE),
        (503, StatusCode.UNAVAILABLE),
        (504, StatusCode.UNAVAILABLE),
        (418, StatusCode.UNKNOWN),
        (0, StatusCode.UNKNOWN),
    ],
)
def test_http_statuses(http_status: int, status: StatusCode) -> None:
    assert code_of_http_status(http_status) is status
