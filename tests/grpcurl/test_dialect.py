"""JSON that grpcurl reads differently from canonical JSON, and what it cannot send."""

import pytest
from google.protobuf import any_pb2, field_mask_pb2
from google.rpc import status_pb2

from loom.codec import ChainResolver
from loom.grpcurl.dialect import Dialect

UNKNOWN = {"@type": "type.googleapis.com/no.Such", "@value": "AA=="}
KNOWN = {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "1s"}


@pytest.fixture
def dialect() -> Dialect:
    return Dialect(ChainResolver([any_pb2.DESCRIPTOR.pool]))


def test_a_mask_is_an_object(dialect: Dialect) -> None:
    mask = field_mask_pb2.FieldMask.DESCRIPTOR
    assert dialect.message("userName,a.bC", mask) == {"paths": ["user_name", "a.b_c"]}


def test_an_any_that_cannot_be_written_leaves_nothing_in_its_place(dialect: Dialect) -> None:
    """No null: grpcurl takes that for a message, and then cannot encode it."""
    status = status_pb2.Status.DESCRIPTOR
    assert dialect.message({"code": 5, "details": [UNKNOWN, KNOWN, {}]}, status) == {
        "code": 5,
        "details": [KNOWN],
    }
    packed = {"@type": "type.googleapis.com/google.rpc.Status", "details": [UNKNOWN]}
    assert dialect.message(packed, any_pb2.Any.DESCRIPTOR) == packed | {"details": []}
    nested = {"@type": "type.googleapis.com/google.protobuf.Any", "value": UNKNOWN}
    assert dialect.message(nested, any_pb2.Any.DESCRIPTOR) == {}
    assert list(dialect.problems) == [
        "an Any of type.googleapis.com/no.Such is not sent: its type is unknown",
        "an empty google.protobuf.Any is not sent: grpcurl cannot write one",
    ]
