"""Events come back from their encoding, and anything else is damage."""

from typing import Any

import msgspec
import pytest
import zstandard

from loom.sessions.batch import Batch
from loom.sessions.event_codec import unpack
from tests.support.traffic import unary


def test_a_batch_without_a_checksum_is_decoded() -> None:
    batch = Batch()
    batch.add([unary(1)])
    row = batch.compress(zstandard.ZstdCompressor(level=1))
    assert [event.call_id for event in unpack(row)] == [1] * len(unary(1))


@pytest.mark.parametrize(
    "event",
    [
        [0, "1", 1, "/a.B/C"],
        [0, 1, 1, 2],
        [0, 1, 1, "/a.B/C", "", "", "", "relay", "soon"],
        [1, 1, 1, "request", [["key", 5]]],
        [1, 1, 1, "request", [["key"]]],
        [1, 1, 1, "other", []],
        [2, 1, 1, "request", None],
        [2, 1, 1, "request", "text"],
        [2, 1, 1, "request", 17],
        [2, 1, 1, "request", [b"x", b"y"]],
        [2, 1, 1, "request", b"", False, "", "long"],
        [3, 1],
        [4, 1, 1, {"code": "OK"}],
        [4, 1, 1, {"code": 0}, "nobody"],
        [5, 1, 1, "odd"],
        [6, 1, 1],
        [],
        "text",
    ],
)
def test_an_event_with_fields_of_other_types_is_damage(event: str | list[Any]) -> None:
    with pytest.raises(msgspec.DecodeError):
        unpack(msgspec.msgpack.encode([[[event]]]))
