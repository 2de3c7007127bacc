"""Random messages of random schemas: an edit changes one leaf, and every other byte stays."""

import copy
import json
from collections.abc import Iterator
from difflib import SequenceMatcher
from random import Random
from typing import Any

from google.protobuf.message import DecodeError
from hypothesis import assume, event, given, settings
from hypothesis import strategies as some

from loom.codec import EncodeError, JsonDecoder, encode, type_name
from loom.codec.json_printer import WELL_KNOWN
from loom.codec.lenient_parser import parse_message
from loom.codec.wire_parser import LEN, SGROUP
from loom.codec.wire_records import Record, find_field, split_records
from tests.support.random_messages import RandomSchema, RandomWriter, random_schema

MISSING = object()
_LEAF_TYPES = WELL_KNOWN - {f"google.protobuf.{name}" for name in ("Struct", "Value", "ListValue")}
_TEXTS = ("5", "7", "ONE", "TWO", "AAAA", "AQ==", "1970-01-01T00:00:07Z", "7s", "abc", "Infinity")


def random_message(seed: int) -> tuple[RandomSchema, bytes]:
    random = Random(seed)
    schema = random_schema(random)
    return schema, RandomWriter(schema, random).message(schema.root)


def json_of(data: bytes, schema: RandomSchema) -> Any:
    message, _ = parse_message(data, schema.root)
    return JsonDecoder(schema.pool).decode(message).json


def submitted(value: Any) -> Any:
    """The value as it comes back from the page."""
    return json.loads(json.dumps(value))


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    elif path:
        yield path


def value_at(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        if isinstance(value, dict):
            value = value.get(step, MISSING)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return MISSING
    return value


def with_leaf(value: Any, path: tuple[Any, ...], leaf: Any) -> Any:
    """A copy with another leaf; without the leaf if it is missing."""
    changed = copy.deepcopy(value)
    parent = value_at(changed, path[:-1])
    if leaf is MISSING:
        del parent[path[-1]]
    else:
        parent[path[-1]] = leaf
    return changed


def new_leaves(leaf: Any, random: Random) -> list[Any]:
    if isinstance(leaf, bool):
        return [not leaf]
    if isinstance(leaf, int | float):
        return [leaf + 1, 0, 1, 2]
    if leaf is None:
        return ["text"]
    texts = random.sample(_TEXTS, len(_TEXTS))
    return [f"{leaf}x", *texts] if random.random() < 0.5 else [*texts, f"{leaf}x"]


def has_own_form(shown: Any, path: tuple[Any, ...]) -> bool:
    """Whether a leaf is in a Timestamp, Duration or FieldMask that is shown by its fields."""
    return path[-1] in {"seconds", "nanos", "paths"} or (isinstance(path[-1], int) and path[-2] == "paths")


def text(value: Any) -> str:
    return "missing" if value is MISSING else json.dumps(value, sort_keys=True)


def check_bytes(before: bytes, after: bytes, descriptor: Any, schema: RandomSchema) -> None:
    """At each level one record differs, or records of one field are there on one side only."""
    left, right = split_records(before), split_records(after)
    opcodes = SequenceMatcher(
        None,
        [(item.tag, item.body) for item in left],
        [(item.tag, item.body) for item in right],
        autojunk=False,
    ).get_opcodes()
    removed = [item for kind, low, high, _, _ in opcodes if kind != "equal" for item in left[low:high]]
    added = [item for kind, _, _, low, high in opcodes if kind != "equal" for item in right[low:high]]
    assert removed or added
    numbers = {item.number for item in (*removed, *added)}
    only = find_field(descriptor, min(numbers)) if len(numbers) == 1 else None
    if only is not None and only.message_type is not None and only.message_type.full_name in _LEAF_TYPES:
        return  # of a singular field, all occurrences may change
    if len(removed) == len(added) == 1 and removed[0].number == added[0].number:
        check_record(removed[0], added[0], descriptor, schema)
        return
    # A value that counts as not set is removed, with what it superseded: a oneof has several fields.
    assert len(added) <= 1
    fields: list[Any] = [find_field(descriptor, item.number) for item in (*removed, *added)]
    oneofs = {field.containing_oneof.name if field.containing_oneof else field.number for field in fields}
    assert len(oneofs) == 1, (removed, added)


def check_record(left: Record, right: Record, descriptor: Any, schema: RandomSchema) -> None:
    field = find_field(descriptor, left.number)
    assert field is not None
    if descriptor.full_name == "google.protobuf.Any":
        return
    inner = field.message_type
    if inner is None or left.wire_type not in {LEN, SGROUP} or inner.full_name in _LEAF_TYPES:
        return
    assert left.tag == right.tag
    if inner.full_name == "google.protobuf.Any":
        check_any(left.payload, right.payload, inner, schema)
    else:
        check_bytes(left.payload, right.payload, inner, schema)


def check_any(before: bytes, after: bytes, descriptor: Any, schema: RandomSchema) -> None:
    one: Any
    other: Any
    one, other = parse_message(before, descriptor)[0], parse_message(after, descriptor)[0]
    if one.type_url != other.type_url:
        return
    try:
        inner: Any = schema.pool.FindMessageTypeByName(type_name(one.type_url))
        parse_message(one.value, inner), parse_message(other.value, inner)
    except (KeyError, DecodeError):
        return
    if inner.full_name not in _LEAF_TYPES | {"google.protobuf.Any"}:
        check_bytes(one.value, other.value, inner, schema)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(some.integers(0, 2**32))
def test_what_is_shown_and_submitted_unchanged_is_the_same_bytes(seed: int) -> None:
    schema, data = random_message(seed)
    try:
        shown = json_of(data, schema)
    except DecodeError:
        assume(False)
    assert encode(submitted(shown), schema.root, schema.pool, original=data) == data


@settings(max_examples=600, deadline=None, derandomize=True)
@given(some.integers(0, 2**32))
def test_an_edit_of_one_leaf_changes_that_leaf_and_nothing_else(seed: int) -> None:
    schema, data = random_message(seed)
    random = Random(seed)
    try:
        shown = json_of(data, schema)
    except DecodeError:
        assume(False)
    paths = list(leaves(shown))
    assume(paths)
    path = random.choice(paths)
    for leaf in new_leaves(value_at(shown, path), random):
        try:
            edited = encode(with_leaf(submitted(shown), path, leaf), schema.root, schema.pool, original=data)
        except EncodeError as error:
            event(f"refused: {error.text[:30]}")
            continue
        event("edited")
        changed = value_at(now := json_of(edited, schema), path)
        if edited == data:
            assert text(now) == text(shown)
            continue
        while changed is MISSING and has_own_form(shown, path):
            path, changed = path[:-1], value_at(now, path[:-1])  # it has got its canonical JSON
        assert text(now) == text(with_leaf(shown, path, changed))
        check_bytes(data, edited, schema.root, schema)
        break


def test_most_random_messages_have_something_to_edit() -> None:
    found = 0
    for seed in range(50):
        schema, data = random_message(seed)
        try:
            found += any(leaves(json_of(data, schema)))
        except DecodeError:
            continue
    assert found > 30
