"""Outline a schema for display: services with their methods, messages with their fields, enums.

Types have their full names; a field that refers to a type of the outline names it, so that the page can link to it.
"""

from collections import deque
from collections.abc import Iterable, Iterator

from google.protobuf.descriptor import Descriptor, EnumDescriptor
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool

from loom.api.schema import (
    Label,
    Outline,
    OutlineEnum,
    OutlineField,
    OutlineMessage,
    OutlineMethod,
    OutlineService,
)

from .built_in_files import BUILT_IN_FILES
from .source import Method, method_kind, split_path

MAX_TYPES = 1_000
_REFERENCE_TYPES = {
    FieldDescriptorProto.TYPE_MESSAGE,
    FieldDescriptorProto.TYPE_GROUP,
    FieldDescriptorProto.TYPE_ENUM,
}


def outline(method: Method, max_types: int = MAX_TYPES) -> Outline:
    """The services of a method's files, and at most ``max_types`` of the types that their methods use."""
    own, _ = split_path(method.path)
    services = sorted(_services(method), key=lambda service: service.name != own)
    roots = [method.request.full_name, method.response.full_name]
    for service in services:
        roots += [name for item in service.methods for name in (item.request, item.response)]
    messages: list[OutlineMessage] = []
    enums: list[OutlineEnum] = []
    more = 0
    for descriptor in _reachable(method.pool, roots):
        if len(messages) + len(enums) >= max_types:
            more += 1
        elif isinstance(descriptor, Descriptor):
            messages.append(_message(descriptor))
        else:
            enums.append(_enum(descriptor))
    return Outline(services, messages, enums, more)


def _services(method: Method) -> Iterator[OutlineService]:
    if method.descriptor_set is None:
        return
    for file in FileDescriptorSet.FromString(method.descriptor_set.serialized).file:
        if file.name in BUILT_IN_FILES:
            continue
        for service in file.service:
            yield _service(f"{file.package}.{service.name}".lstrip("."), file.name, service)


def _service(name: str, file: str, service: ServiceDescriptorProto) -> OutlineService:
    methods = [
        OutlineMethod(
            method.name,
            method_kind(method),
            method.input_type.lstrip("."),
            method.output_type.lstrip("."),
            method.options.deprecated,
        )
        for method in service.method
    ]
    return OutlineService(name, file, methods)


def _reachable(pool: DescriptorPool, roots: Iterable[str]) -> Iterator[Descriptor | EnumDescriptor]:
    """Messages and enums in breadth-first order from the roots, without the entry types of maps."""
    queue: deque[Descriptor | EnumDescriptor] = deque()
    seen: set[str] = set()
    for name in roots:
        if name in seen:
            continue
        seen.add(name)
        try:
            queue.append(pool.FindMessageTypeByName(name))
        except KeyError:
            continue  # its file could not be linked: the schema's problems say so
    while queue:
        descriptor = queue.popleft()
        if isinstance(descriptor, EnumDescriptor):
            yield descriptor
            continue
        if not descriptor.GetOptions().map_entry:
            yield descriptor
        for field in descriptor.fields:
            type_of = field.message_type or field.enum_type
            if type_of is not None and type_of.full_name not in seen:
                seen.add(type_of.full_name)
                queue.append(type_of)


def _message(descriptor: Descriptor) -> OutlineMessage:
    proto = DescriptorProto()
    descriptor.CopyToProto(proto)
    entries = {
        f".{descriptor.full_name}.{nested.name}": nested
        for nested in proto.nested_type
        if nested.options.map_entry
    }
    optional = {field.number for field in descriptor.fields if field.has_presence and not field.message_type}
    fields = [
        _field(field, proto, entries.get(field.type_name), optional=field.number in optional)
        for field in proto.field
    ]
    return OutlineMessage(descriptor.full_name, descriptor.file.name, fields, proto.options.deprecated)


def _field(
    field: FieldDescriptorProto, message: DescriptorProto, entry: DescriptorProto | None, *, optional: bool
) -> OutlineField:
    in_oneof = field.HasField("oneof_index") and not field.proto3_optional
    label: Label
    type_text, refers, label = _type(field), _refers(field), _label(field, optional=optional and not in_oneof)
    if entry is not None:
        key, value = entry.field
        type_text, refers, label = f"map<{_type(key)}, {_type(value)}>", _refers(value), "map"
    return OutlineField(
        number=field.number,
        name=field.name,
        type=type_text,
        label=label,
        refers=refers,
        oneof=message.oneof_decl[field.oneof_index].name if in_oneof else None,
        default=field.default_value,
        deprecated=field.options.deprecated,
    )


def _type(field: FieldDescriptorProto) -> str:
    if field.type in _REFERENCE_TYPES:
        return field.type_name.lstrip(".")
    return FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()


def _refers(field: FieldDescriptorProto) -> str | None:
    return field.type_name.lstrip(".") if field.type in _REFERENCE_TYPES else None


def _label(field: FieldDescriptorProto, *, optional: bool) -> Label:
    """``optional``: the field has explicit presence although neither its type nor its label implies it."""
    if field.label == FieldDescriptorProto.LABEL_REPEATED:
        return "repeated"
    if field.label == FieldDescriptorProto.LABEL_REQUIRED:
        return "required"
    return "optional" if optional else ""


def _enum(descriptor: EnumDescriptor) -> OutlineEnum:
    proto = EnumDescriptorProto()
    descriptor.CopyToProto(proto)
    values = [(value.number, value.name) for value in proto.value]
    return OutlineEnum(descriptor.full_name, descriptor.file.name, values, proto.options.deprecated)
