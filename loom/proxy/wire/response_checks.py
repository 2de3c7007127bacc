"""What a client of the call's protocol makes of a response: pure functions of the two header blocks."""

from loom.model import Status, StatusCode
from loom.model.status_mapping import code_of_http_status

from .headers import HeaderBlock
from .protocols import Protocol, media_type

HTTP_OK = 200
_OK = Status(StatusCode.OK)


def is_foreign(request: HeaderBlock, response: HeaderBlock) -> bool:
    """Whether a response is not in the protocol of the call, so that its body contains no message of it."""
    protocol = request.protocol
    if response.http_status != HTTP_OK:
        if protocol is Protocol.CONNECT_UNARY:
            return media_type(response.content_type) != "application/json"  # of errors
        if protocol is Protocol.CONNECT_STREAM or not response.content_type:
            return True
    elif protocol is Protocol.GRPC and not response.content_type:
        return False  # C-core's clients do not ask for it
    return response.protocol is not protocol


def has_other_codec(request: HeaderBlock, response: HeaderBlock) -> bool:
    """Whether the messages of the response are encoded otherwise than those of the request."""
    return response.codec != request.codec


def codec_text(request: HeaderBlock, response: HeaderBlock) -> str:
    """What is wrong with the response's codec."""
    return f"the response is {response.content_type}, where {request.codec} was asked for"


def doubt(request: HeaderBlock, response: HeaderBlock) -> str:
    """What many clients refuse in a response that is otherwise in order; "" if there is nothing."""
    text = ""
    if request.protocol is Protocol.OTHER:
        return ""
    if response.content_type and has_other_codec(request, response):
        text = codec_text(request, response)
    elif response.encoding and response.encoding not in {"identity", *request.accepted_encodings}:
        accepted = ", ".join(request.accepted_encodings) or "no encodings"
        text = f"its encoding is {response.encoding}, and the request accepts {accepted}"
    return text and f"clients may refuse this response: {text}"


def status_by_http(request: HeaderBlock, response: HeaderBlock | None, body: str) -> tuple[Status, str]:
    """The status, and a note, of a response that has none of its own; ``body`` is its text."""
    protocol = request.protocol
    http_status = response.http_status if response else None
    content_type = response.content_type if response else ""
    if protocol is Protocol.OTHER and http_status == HTTP_OK:
        return _OK, f"not gRPC: the answer is {content_type or 'of no content-type'}, HTTP status 200"
    shown = "missing" if http_status is None else http_status
    if response is not None and content_type and response.protocol is not protocol:
        note = f"not {protocol.label}: the answer is {content_type}, HTTP status {shown}"
    elif protocol.is_connect:
        note = f"the backend answered with HTTP status {shown}"
    else:
        note = f"the backend sent no grpc-status (HTTP status {shown})"
    return Status(code_of_http_status(http_status or 0), f"{note}: {body}" if body else note), note
