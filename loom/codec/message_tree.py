"""The typed view of a message: every field with its number, type and value (docs/api.md, "A node")."""

from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from .compiled_readers import is_map, is_synthetic, key_of, key_text, set_fields
from .json_printer import ANY, LIST, STRUCT, VALUE, WELL_KNOWN, JsonPrinter
from .node import Budget, Node, node
from .scalars import as_base64, double, single
from .type_resolver import TypeResolver, type_name
from .wire_view import unknown_nodes, wire_view

_MAX_DEPTH = 100
_JSON = frozenset({STRUCT, LIST, VALUE})
_CONTAINERS = frozenset({"struct_value", "list_value"})
_BRIEF = 500  # leaves of a Struct that is shown in one value
_MOST_LEAVES = 5_000  # of all Structs of a tree: each shows in those that it is in, too
_TYPES = {
    FieldDescriptor.TYPE_DOUBLE: "double",
    FieldDescriptor.TYPE_FLOAT: "float",
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_UINT64: "uint64",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_FIXED64: "fixed64",
    FieldDescriptor.TYPE_FIXED32: "fixed32",
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_BYTES: "bytes",
    FieldDescriptor.TYPE_UINT32: "uint32",
    FieldDescriptor.TYPE_SFIXED32: "sfixed32",
    FieldDescriptor.TYPE_SFIXED64: "sfixed64",
    FieldDescriptor.TYPE_SINT32: "sint32",
    FieldDescriptor.TYPE_SINT64: "sint64",
}
_AS_TEXT = frozenset({"int64", "uint64", "fixed64", "sfixed64", "sint64"})


class Trees:
    """Makes nodes out of messages, ``max_nodes`` at most.

    ``missing`` are types that Anys in them name; ``unknown`` tells of fields without a descriptor, ``complete`` that
    there are nodes for everything.
    """

    def __init__(self, types: TypeResolver, max_nodes: int) -> None:
        self.missing: set[str] = set()
        self.unknown = False
        self._types = types
        self._json = JsonPrinter(types)
        self._budget = Budget(max_nodes)
        self._leaves = _MOST_LEAVES
        self._cut = False

    @property
    def complete(self) -> bool:
        return self._budget.left >= 0 and not self._cut

    def message(self, message: Message, *, key: str, number: int | None, depth: int = 0) -> Node:
        """A message with its set fields, in order of number, unknown ones last."""
        descriptor = type(message).DESCRIPTOR
        made = node(key, "message", descriptor.full_name, number=number)
        if descriptor.full_name in WELL_KNOWN and self._is_brief(message):
            made["value"] = self._json.value(message)
            made["note"] = "; ".join(self._json.problems)
            self._json.problems.clear()
        if descriptor.full_name == ANY:
            self._open_any(made, message, depth)
            return made
        if depth >= _MAX_DEPTH:
            self._cut = True
            made["note"] = f"nested deeper than {_MAX_DEPTH}: not shown"
            return made
        for field, value in set_fields(message):
            if not self._budget.take():
                made["more"] += 1
                continue
            made["children"].append(self._field(field, value, depth + 1))
        self._add_unknown(made, message)
        return made

    def _add_unknown(self, made: Node, message: Message) -> None:
        unknown = UnknownFieldSet(message)
        if len(unknown):
            self.unknown = True
            made["children"] += unknown_nodes(unknown, self._budget)

    def _is_brief(self, message: Any) -> bool:
        """Whether the value may be shown beside the fields: not the whole of a large Struct at each of its levels."""
        name = type(message).DESCRIPTOR.full_name
        if name not in _JSON or (name == VALUE and message.WhichOneof("kind") not in _CONTAINERS):
            return True
        leaves = _leaves(message, min(_BRIEF, self._leaves))
        self._leaves -= leaves
        return leaves < _BRIEF and self._leaves > 0

    def _open_any(self, made: Node, message: Any, depth: int) -> None:
        made["kind"] = "any"
        name = type_name(message.type_url)
        made["value"] = message.type_url
        self._add_unknown(made, message)
        try:
            kind = message_factory.GetMessageClass(self._types.FindMessageTypeByName(name))
            inner = kind.FromString(message.value)
        except KeyError:
            self.missing.add(name)
            made["note"] = f"no source knows {name or 'a type without a name'}: shown without a schema"
        except DecodeError as error:
            made["note"] = f"its content is no valid {name}: {error}"
        else:
            if self._budget.take():
                made["children"].append(self.message(inner, key=name, number=None, depth=depth + 1))
            return
        made["children"] += wire_view(message.value, self._budget)["children"]

    def _field(self, field: FieldDescriptor, value: Any, depth: int) -> Node:
        key = key_of(field)
        if is_map(field):
            made = self._map(field, value, key, depth)
        elif field.is_repeated:
            made = node(key, "list", _type_of(field), number=field.number)
            for index, item in enumerate(value):
                if not self._budget.take():
                    made["more"] = len(value) - index
                    break
                made["children"].append(self._value(field, item, str(index), None, depth))
        else:
            made = self._value(field, value, key, field.number, depth)
        oneof = field.containing_oneof
        if oneof is not None and not is_synthetic(oneof):
            made["oneof"] = oneof.name
        return made

    def _map(self, field: FieldDescriptor, value: Any, key: str, depth: int) -> Node:
        entry = field.message_type.fields_by_name  # type: ignore[union-attr]
        types = f"map<{_type_of(entry['key'])}, {_type_of(entry['value'])}>"
        made = node(key, "map", types, number=field.number)
        for position, name in enumerate(sorted(value)):
            if not self._budget.take():
                made["more"] = len(value) - position
                break
            made["children"].append(self._value(entry["value"], value[name], key_text(name), None, depth))
        return made

    def _value(self, field: FieldDescriptor, value: Any, key: str, number: int | None, depth: int) -> Node:
        if field.message_type is not None:
            return self.message(value, key=key, number=number, depth=depth)
        if field.enum_type is not None:
            return _enum(field.enum_type, value, key, number)
        type_name = _TYPES[field.type]
        if isinstance(value, bytes):
            return node(key, "bytes", type_name, number=number, value=as_base64(value))
        return node(key, "scalar", type_name, number=number, value=_scalar(value, type_name))


def _leaves(message: Any, most: int) -> int:
    """How many values there are in a Struct, a ListValue or a Value; counts up to ``most``."""
    found = 0
    waiting = [iter((message,))]
    while waiting and found < most:
        inner = next(waiting[-1], None)
        if inner is None:
            waiting.pop()
            continue
        found += 1
        name = type(inner).DESCRIPTOR.full_name
        kind = inner.WhichOneof("kind") if name == VALUE else None
        if name == STRUCT:
            waiting.append(map(inner.fields.__getitem__, inner.fields))
        elif name == LIST:
            waiting.append(iter(inner.values))
        elif kind in _CONTAINERS:
            waiting.append(iter((getattr(inner, kind),)))
    return found


def _enum(kind: EnumDescriptor, value: int, key: str, number: int | None) -> Node:
    known = kind.values_by_number.get(value)
    made = node(key, "enum", kind.full_name, number=number, value=known.name if known else value)
    made["enum_number"] = value
    if known is None:
        made["note"] = "no name for this number"
    return made


def _scalar(value: Any, type_name: str) -> Any:
    if type_name in _AS_TEXT:
        return str(value)
    if isinstance(value, float):
        return single(value) if type_name == "float" else double(value)
    return value


def _type_of(field: FieldDescriptor) -> str:
    if field.message_type is not None:
        return field.message_type.full_name
    if field.enum_type is not None:
        return field.enum_type.full_name
    return _TYPES[field.type]
