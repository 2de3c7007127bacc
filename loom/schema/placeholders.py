"""Placeholder files for missing imports: the types that are used from them, without fields."""

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto


class Placeholders:
    """Creates placeholder files; knows which types are defined already."""

    def __init__(self) -> None:
        self._replaced: set[str] = set()  # names of missing files
        self._types: set[str] = set()

    def add_defined(self, file: FileDescriptorProto) -> None:
        """Add the types of a file that is linked."""
        self._types |= defined_types(file)

    def create(self, file: FileDescriptorProto, missing: list[str]) -> list[FileDescriptorProto]:
        """Files in place of the ``missing`` imports of ``file``, with every type that it uses and no file defines.

        A file has one package, so that the types of each package go into a file of their own; the file that replaces
        the first missing import re-exports them all. If all missing imports are replaced already, ``file`` itself is
        changed to import the further types.
        """
        defined = self._types | defined_types(file)
        undefined = {
            name: is_enum
            for name, is_enum in used_types(file).items()
            if name.startswith(".") and name not in defined
        }
        by_package: dict[str, FileDescriptorProto] = {}
        messages: dict[str, DescriptorProto] = {}
        for full_name, is_enum in sorted(undefined.items()):
            scope, _, name = full_name.rpartition(".")
            outer = messages.get(scope)
            if outer is None and scope not in by_package:
                by_package[scope] = FileDescriptorProto(
                    name=f"{missing[0]}#{scope}", syntax="proto3", package=scope.lstrip(".")
                )
            if is_enum:
                enums = by_package[scope].enum_type if outer is None else outer.enum_type
                enums.add(name=name).value.add(name=f"{name}_UNKNOWN", number=0)
            else:
                siblings = by_package[scope].message_type if outer is None else outer.nested_type
                messages[full_name] = siblings.add(name=name)
            self._types.add(full_name)
        not_replaced = [name for name in missing if name not in self._replaced]
        self._replaced.update(not_replaced)
        replacements = [FileDescriptorProto(name=name, syntax="proto3") for name in not_replaced]
        if not replacements and by_package:
            file.dependency.extend(placeholder.name for placeholder in by_package.values())
        for index, placeholder in enumerate(by_package.values()):
            if replacements:
                replacements[0].dependency.append(placeholder.name)
                replacements[0].public_dependency.append(index)
        return [*by_package.values(), *replacements]


def defined_types(file: FileDescriptorProto) -> set[str]:
    """The full names of the messages and enums that a file defines, with the leading dot."""
    package = f".{file.package}" if file.package else ""
    names = {f"{package}.{enum.name}" for enum in file.enum_type}
    stack = [(f"{package}.{message.name}", message) for message in file.message_type]
    while stack:
        name, message = stack.pop()
        names.add(name)
        names |= {f"{name}.{enum.name}" for enum in message.enum_type}
        stack += ((f"{name}.{nested.name}", nested) for nested in message.nested_type)
    return names


def used_types(file: FileDescriptorProto) -> dict[str, bool]:
    """The types that a file names, and whether each is an enum."""
    used: dict[str, bool] = {}
    fields: list[FieldDescriptorProto] = list(file.extension)
    stack = list(file.message_type)
    while stack:
        message = stack.pop()
        fields += (*message.field, *message.extension)
        stack += message.nested_type
    for field in fields:
        if field.type_name:
            used[field.type_name] = field.type == FieldDescriptorProto.TYPE_ENUM
    for field in fields:
        if field.extendee:
            used.setdefault(field.extendee, False)
    for service in file.service:
        for method in service.method:
            used.setdefault(method.input_type, False)
            used.setdefault(method.output_type, False)
    return used
