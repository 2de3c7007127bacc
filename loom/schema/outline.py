"""What a schema says, as a person reads it: services with their methods, messages with their fields, enums.

Pure. Types are named in full; what a field refers to is named beside its type, so that a reader can go there.
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
from loom.model import Kind

from .linker import BUILT_IN_FILES
from .source import Method

MOST_TYPES = 1_000
_REFERRING = {
    FieldDescriptorProto.TYPE_MESSAGE,
    FieldDescriptorProto.TYPE_GROUP,
    FieldDescriptorProto.TYPE_ENUM,
}
_KINDS = {
    (False, False): Kind.UNARY,
    (False, True): Kind.SERVER,
    (True, False): Kind.CLIENT,
    (True, True): Kind.BIDI,
}


def outline(method: Method, most: int = MOST_TYPES) -> Outline:
    """The services of a method's files, and all types that their methods reach."""
    own = method.path.lstrip("/").rpartition("/")[0]
    found = sorted(_services(method), key=lambda service: service.name != own)
    roots = [method.request.full_name, method.response.full_name]
    roots += [name for service in found for one in service.methods for name in (one.request, one.response)]
    messages: list[OutlineMessage] = []
    enums: list[OutlineEnum] = []
    more = 0
    for descriptor in _reached(method.pool, roots):
        if len(messages) + len(enums) >= most:
            more += 1
        elif isinstance(descriptor, Descriptor):
            messages.append(_message(descriptor))
        else:
            enums.append(_enum(descriptor))
    return Outline(found, messages, enums, more)


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
            one.name,
            _KINDS[one.client_streaming, one.server_streaming],
            one.input_type.lstrip("."),
            one.output_type.lstrip("."),
            one.options.deprecated,
        )
        for one in service.method
    ]
    return OutlineService(name, file, methods)


def _reached(pool: DescriptorPool, roots: Iterable[str]) -> Iterator[Descriptor | EnumDescriptor]:
    """Messages and enums, those nearest to the roots first; each once, without the entries of maps."""
    waiting: deque[Descriptor | EnumDescriptor] = deque()
    seen: set[str] = set()
    for name in roots:
        if name in seen:
            continue
        seen.add(name)
        try:
            waiting.append(pool.FindMessageTypeByName(name))
        except KeyError:
            continue  # its file could not be built: the schema's problems say so
    while waiting:
        descriptor = waiting.popleft()
        if isinstance(descriptor, EnumDescriptor):
            yield descriptor
            continue
        if not descriptor.GetOptions().map_entry:
            yield descriptor
        for field in descriptor.fields:
            type_of = field.message_type or field.enum_type
            if type_of is not None and type_of.full_name not in seen:
                seen.add(type_of.full_name)
                waiting.append(type_of)


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
    shown, refers, label = _type(field), _refers(field), _label(field, optional=optional and not in_oneof)
    if entry is not None:
        key, value = entry.field
        shown, refers, label = f"map<{_type(key)}, {_type(value)}>", _refers(value), "map"
    return OutlineField(
        number=field.number,
        name=field.name,
        type=shown,
        label=label,
        refers=refers,
        oneof=message.oneof_decl[field.oneof_index].name if in_oneof else None,
        default=field.default_value,
        deprecated=field.options.deprecated,
    )


def _type(field: FieldDescriptorProto) -> str:
    if field.type in _REFERRING:
        return field.type_name.lstrip(".")
    return FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()


def _refers(field: FieldDescriptorProto) -> str | None:
    return field.type_name.lstrip(".") if field.type in _REFERRING else None


def _label(field: FieldDescriptorProto, *, optional: bool) -> Label:
    """``optional``: whether it is set is told apart from whether it has its default, where types do not say so."""
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
