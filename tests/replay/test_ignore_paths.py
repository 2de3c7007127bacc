"""Which paths are left out of a comparison, and which are refused."""

import re
from typing import Any

import pytest

from loom.codec.field_path import FieldNames, PathError, parse_path, path_text
from loom.replay.diff import diff_values
from loom.replay.ignore_paths import IgnorePaths
from tests.support.mirror import make


def paths(left: Any, right: Any, *ignore: str) -> list[str]:
    """The paths of the differences of two responses."""
    return [item.path for item in diff_values(left, right, "response 0", IgnorePaths(ignore))]


LEFT = {
    "user": {"id": "1", "updated_at": "a", "tags": [{"name": "x", "at": 1}, {"name": "y", "at": 2}]},
    "at": 0,
}
RIGHT = {
    "user": {"id": "2", "updated_at": "b", "tags": [{"name": "x", "at": 3}, {"name": "z", "at": 4}]},
    "at": 9,
}
ALL = ["user.id", "user.updated_at", "user.tags[0].at", "user.tags[1].name", "user.tags[1].at", "at"]


@pytest.mark.parametrize(
    ("ignore", "left_out"),
    [
        ("user.updated_at", ["user.updated_at"]),
        ("user", [path for path in ALL if path.startswith("user")]),
        ("user.tags.at", ["user.tags[0].at", "user.tags[1].at"]),
        ("user.tags[*].at", ["user.tags[0].at", "user.tags[1].at"]),
        ("user.tags[1].at", ["user.tags[1].at"]),
        ("user.tags[1]", ["user.tags[1].name", "user.tags[1].at"]),
        ("*.id", ["user.id"]),
        ("**.at", ["user.tags[0].at", "user.tags[1].at", "at"]),
        ("response:at", ["at"]),
        ("request:at", []),
        ("nothing.like.it", []),
        ("user.i", []),
        ("at, ", ["at"]),
    ],
)
def test_paths_are_left_out(ignore: str, left_out: list[str]) -> None:
    assert paths(LEFT, RIGHT, *ignore.split(",")) == [path for path in ALL if path not in left_out]


@pytest.mark.parametrize("path", ["a", "a.b[0].c", '["a.b"][3]["q\\"uote"]', "[0][1]"])
def test_a_path_reads_back(path: str) -> None:
    assert path_text(parse_path(path)) == path


@pytest.mark.parametrize(
    ("text", "column", "reason"),
    [
        ("[[", 1, "write [0], [*]"),
        (".", 1, "a name is missing"),
        ("[]", 1, "write [0], [*]"),
        ("]", 1, "']' is not allowed here"),
        ("user..id", 6, "a name is missing"),
        ("user.", 6, "a name is missing"),
        ("user.[0]", 6, "a name is missing"),
        ("[x", 1, "write [0], [*]"),
        ("a,b[", 4, "write [0], [*]"),
        ("respnse:user.id", 1, "'respnse' is not a place"),
        ("response:a:b", 11, "':' is not allowed here"),
        ("created_*", 9, "* stands for a whole name"),
        ("***", 1, "* stands for a whole name"),
        ("a b", 2, "' ' is not allowed here"),
    ],
)
def test_what_is_no_path_is_refused_where_it_goes_wrong(text: str, column: int, reason: str) -> None:
    with pytest.raises(PathError, match=re.escape(reason)) as caught:
        IgnorePaths([text])
    assert caught.value.column == column


@pytest.mark.parametrize("place", ["request", "response"])
@pytest.mark.parametrize("ignore", ["code,message,details", "**", "*"])
def test_without_a_place_a_path_speaks_of_messages_only(ignore: str, place: str) -> None:
    left, right = {"code": "NOT_FOUND", "message": "m"}, {"code": "OK", "message": ""}
    ignored = IgnorePaths([ignore])
    assert list(diff_values(left, right, f"{place} 0", ignored)) == []
    for other in ("status", "metadata request", "initial metadata", "trailing metadata"):
        assert len(list(diff_values(left, right, other, ignored))) == 2
    assert [item.path for item in diff_values(left, right, "status", IgnorePaths(["status:code"]))] == [
        "message"
    ]


def test_a_place_alone_leaves_out_all_of_it_and_a_comma_may_be_part_of_a_key() -> None:
    assert list(diff_values({"a": 1}, {"b": 1}, "status", IgnorePaths(["status:"]))) == []
    assert paths({"m": {"a,b": 1, "c": 1}}, {"m": {"a,b": 2, "c": 2}}, 'm["a,b"],x') == ["m.c"]


@pytest.mark.parametrize(
    ("ignore", "left_out"),
    [
        ("updated_at", ["updatedAt"]),
        ("updatedAt", ["updatedAt"]),
        ("inner.odd", ["inner.ts"]),
        ("inner.ts", ["inner.ts"]),
        ("named.a_b", ["named.a_b"]),
        ("named.a_b.updated_at", []),
        ("free.a_b", ["free.a_b"]),
        ("any.updated_at", ["any.updatedAt"]),
        ("response:**.updated_at", ["updatedAt", "any.updatedAt"]),
    ],
)
def test_a_field_goes_by_its_name_in_the_proto_file_and_in_json(ignore: str, left_out: list[str]) -> None:
    def value(number: int) -> dict[str, Any]:
        return {
            "updatedAt": number,
            "inner": {"ts": number},
            "named": {"a_b": {"count": number}, "aB": {"count": number}},
            "free": {"a_b": number, "aB": number},
            "any": {"@type": "x/y", "updatedAt": number},
        }

    names = FieldNames(make("Thing").DESCRIPTOR)
    every = [item.path for item in diff_values(value(1), value(2), "response 0", None, names)]
    differences = [
        item.path for item in diff_values(value(1), value(2), "response 0", IgnorePaths([ignore]), names)
    ]
    gone = [path for path in every if path not in differences]
    assert gone == [path for path in every if any(path.startswith(item) for item in left_out)]


def test_paths_that_named_nothing_are_known() -> None:
    ignored = IgnorePaths(["a.b, c", "nothing", "status:message", "items.id", "removed.too"])
    same = {"a": {"b": 1}, "items": [{"id": 1}]}
    assert list(diff_values(same, same, "response 0", ignored)) == []
    assert len(list(diff_values({"removed": {"too": 1}}, {}, "response 0", ignored))) == 1
    assert ignored.unmatched_paths() == ["c", "nothing", "status:message"]
