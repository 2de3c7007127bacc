"""Build the tree of a message: every field with its number, type and value (docs/reference/api.md, "A node")."""

from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from .compiled_readers import is_map, is_synthetic, json_key, key_text, set_fields
from .json_printer import ANY, LIST, STRUCT, VALUE, WELL_KNOWN, JsonPrinter
from .lenient_parser import Flaw, parse_message
from .node import Budget, Node, node
from .scalars import as_base64, double, single
from .type_resolver import TypeResolver, type_name
from .wire_view import unknown_nodes, wire_view

_MAX_DEPTH = 100
_STRUCT_TYPES = frozenset({STRUCT, LIST, VALUE})
_CONTAINERS = frozenset({"struct_value", "list_value"})
_MAX_INLINE_LEAVES = 500  # of a Struct whose whole JSON is the value of its node
_MAX_TOTAL_LEAVES = 5_000  # of all Structs of a tree: a nested one is also in the value of those around it
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
_TEXT_TYPES = frozenset({"int64", "uint64", "fixed64", "sfixed64", "sint64"})


class TreeBuilder:
    """Builds the nodes of messages, ``max_nodes`` at most.

    ``missing_types``: types of Anys that the resolver did not know. ``unknown_fields``: there are fields that the
    descriptor lacks. ``complete``: nothing was left out.
    """

    def __init__(self, resolver: TypeResolver, max_nodes: int) -> None:
        self.missing_types: set[str] = set()
        self.unknown_fields = False
        self._resolver = resolver
        self._printer = JsonPrinter(resolver)
        self._budget = Budget(max_nodes)
        self._leaves_left = _MAX_TOTAL_LEAVES
        self._cut = False

    @property
    def complete(self) -> bool:
        return self._budget.left >= 0 and not self._cut

    def build(self, message: Message, *, key: str, number: int | None, depth: int = 0) -> Node:
        """The node of a message, with its set fields in order of number and its unknown fields last."""
        descriptor = type(message).DESCRIPTOR
        tree = node(key, "message", descriptor.full_name, number=number)
        if descriptor.full_name in WELL_KNOWN and self._is_inline(message):
            tree.value = self._printer.value(message)
            tree.note = "; ".join(self._printer.problems)
            self._printer.problems.clear()
        if descriptor.full_name == ANY:
            self._add_any(tree, message, depth)
            return tree
        if depth >= _MAX_DEPTH:
            self._cut = True
            tree.note = f"nested deeper than {_MAX_DEPTH}: not shown"
            return tree
        for field, value in set_fields(message):
            if not self._budget.take():
                tree.more += 1
                continue
            tree.children.append(self._field(field, value, depth + 1))
        self._add_unknown_fields(tree, message)
        return tree

    def _add_unknown_fields(self, tree: Node, message: Message) -> None:
        unknown = UnknownFieldSet(message)
        if len(unknown):
            self.unknown_fields = True
            tree.children += unknown_nodes(unknown, self._budget)

    def _is_inline(self, message: Any) -> bool:
        """Whether the node gets its JSON as a value: not a large Struct, which would repeat it at every level."""
        name = type(message).DESCRIPTOR.full_name
        if name not in _STRUCT_TYPES or (name == VALUE and message.WhichOneof("kind") not in _CONTAINERS):
            return True
        leaves = _count_leaves(message, min(_MAX_INLINE_LEAVES, self._leaves_left))
        self._leaves_left -= leaves
        return leaves < _MAX_INLINE_LEAVES and self._leaves_left > 0

    def _add_any(self, tree: Node, message: Any, depth: int) -> None:
        tree.kind = "any"
        name = type_name(message.type_url)
        tree.value = message.type_url
        self._add_unknown_fields(tree, message)
        try:
            inner, flaws = parse_message(message.value, self._resolver.FindMessageTypeByName(name))
        except KeyError:
            self.missing_types.add(name)
            tree.note = f"no source knows {name or 'a type without a name'}: shown without a schema"
        except DecodeError as error:
            tree.note = f"its content is not a valid {name}: {error}"
        else:
            if self._budget.take():
                child = self.build(inner, key=name, number=None, depth=depth + 1)
                annotate(child, flaws)
                tree.children.append(child)
            return
        tree.children += wire_view(message.value, self._budget).children

    def _field(self, field: FieldDescriptor, value: Any, depth: int) -> Node:
        key = json_key(field)
        if is_map(field):
            tree = self._map(field, value, key, depth)
        elif field.is_repeated:
            tree = node(key, "list", _type_of(field), number=field.number)
            for index, item in enumerate(value):
                if not self._budget.take():
                    tree.more = len(value) - index
                    break
                tree.children.append(self._value(field, item, str(index), None, depth))
        else:
            tree = self._value(field, value, key, field.number, depth)
        oneof = field.containing_oneof
        if oneof is not None and not is_synthetic(oneof):
            tree.oneof = oneof.name
        return tree

    def _map(self, field: FieldDescriptor, value: Any, key: str, depth: int) -> Node:
        entry = field.message_type.fields_by_name  # type: ignore[union-attr]
        types = f"map<{_type_of(entry['key'])}, {_type_of(entry['value'])}>"
        tree = node(key, "map", types, number=field.number)
        for position, name in enumerate(sorted(value)):
            if not self._budget.take():
                tree.more = len(value) - position
                break
            tree.children.append(self._value(entry["value"], value[name], key_text(name), None, depth))
        return tree

    def _value(self, field: FieldDescriptor, value: Any, key: str, number: int | None, depth: int) -> Node:
        if field.message_type is not None:
            return self.build(value, key=key, number=number, depth=depth)
        if field.enum_type is not None:
            return _enum(field.enum_type, value, key, number)
        type_name = _TYPES[field.type]
        if isinstance(value, bytes):
            return node(key, "bytes", type_name, number=number, value=as_base64(value))
        return node(key, "scalar", type_name, number=number, value=_scalar(value, type_name))


def annotate(tree: Node, flaws: Iterable[Flaw]) -> None:
    """Add each flaw to the note of the node that it is about; if that is not in the tree, of the nearest one above."""
    for flaw in flaws:
        node = tree
        for key in flaw.keys:
            child = next((item for item in node.children if item.key == key), None)
            if child is None:
                break
            node = child
        node.note = "; ".join(filter(None, (node.note, flaw.text)))


def _count_leaves(message: Any, limit: int) -> int:
    """The number of values in a Struct, a ListValue or a Value; stops counting at ``limit``."""
    count = 0
    stack = [iter((message,))]
    while stack and count < limit:
        inner = next(stack[-1], None)
        if inner is None:
            stack.pop()
            continue
        count += 1
        name = type(inner).DESCRIPTOR.full_name
        kind = inner.WhichOneof("kind") if name == VALUE else None
        if name == STRUCT:
            stack.append(map(inner.fields.__getitem__, inner.fields))
        elif name == LIST:
            stack.append(iter(inner.values))
        elif kind in _CONTAINERS:
            stack.append(iter((getattr(inner, kind),)))
    return count


def _enum(kind: EnumDescriptor, value: int, key: str, number: int | None) -> Node:
    enum_value = kind.values_by_number.get(value)
    tree = node(key, "enum", kind.full_name, number=number, value=enum_value.name if enum_value else value)
    tree.enum_number = value
    if enum_value is None:
        tree.note = "the enum has no name for this number"
    return tree


def _scalar(value: Any, type_name: str) -> Any:
    if type_name in _TEXT_TYPES:
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
