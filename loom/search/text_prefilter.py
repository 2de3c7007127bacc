"""Decide which fields may contain a searched text although the bytes of their message do not.

Strings are encoded as they are, so most messages can be skipped: the text is not among their bytes. Values whose text
differs from their encoding (numbers, enum names, bytes as base64, timestamps) are decided by the characters that the
text of such a value can have. A false positive costs time; a false negative is not possible.
"""

import re
from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto

_NUMBER = re.compile(r"[0-9.+e-]*")
_TIME = re.compile(r"[0-9.:tz+-]*|[0-9.s-]*")
_BASE64 = re.compile(r"[0-9a-z+/=]*")
# The lower case of a sigma depends on its neighbours; U+FFFD stands for bytes that are not UTF-8.
_CONTEXT_DEPENDENT = re.compile("[\u03c3\u03c2\ufffd]")
_NUMBER_WRAPPERS = ("DoubleValue", "FloatValue", "Int64Value", "UInt64Value", "Int32Value", "UInt32Value")
_STRING_TYPES = frozenset((FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES))


class TextPrefilter:
    """The prefilter for one text, compared in lower case.

    ``enum_names`` are the value names of every enum in the schema. If ``usable`` is false, the other methods cannot
    decide anything about this text.
    """

    def __init__(self, text: str, enum_names: Iterable[str] = ()) -> None:
        self.text = text.lower()
        self.usable = bool(self.text) and not _CONTEXT_DEPENDENT.search(self.text)
        self._number = bool(_NUMBER.fullmatch(self.text)) or self.text in "-infinity" or self.text in "nan"
        self._bool = self.text in "true" or self.text in "false"
        self._base64 = bool(_BASE64.fullmatch(self.text))
        self._time = bool(_TIME.fullmatch(self.text))
        self._json = self._number or self._bool or self.text in "null"
        self._mask = "," in self.text
        self._any = any((self._json, self._base64, self._time, self._mask)) or self._in_names(enum_names)
        self._utf8_checked: dict[Any, bool] = {}
        self._well_known = {
            **dict.fromkeys(_NUMBER_WRAPPERS, self._number),
            **dict.fromkeys(("Timestamp", "Duration"), self._time),
            **dict.fromkeys(("Struct", "Value", "ListValue"), self._json),
            "FieldMask": self._mask,
            "BoolValue": self._bool,
            "BytesValue": self._base64,
            "StringValue": False,
        }

    def matches_bytes(self, data: bytes) -> bool:
        """Whether a string in these bytes may contain the text, or a FieldMask, whose paths JSON has in camel case."""
        text = data.decode("utf-8", "replace").lower()
        return self.text in text or self.text in text.replace("_", "")

    def matches_unknown_field(self) -> bool:
        """Whether a field outside the schema may contain the text, as a number or as base64."""
        return self._number or self._base64

    def matches_any_message(self) -> bool:
        """Whether some message of some type may contain the text."""
        return self._any

    def matches_field(self, field: FieldDescriptor) -> bool:
        """Whether a scalar or enum field may contain the text."""
        if field.enum_type is not None:
            return self._number or self._in_names(value.name for value in field.enum_type.values)
        if field.type == FieldDescriptor.TYPE_BOOL:
            return self._bool
        if field.type not in _STRING_TYPES:
            return self._number
        # A proto2 string that is not UTF-8 is shown as bytes; proto3 refuses it.
        return self._base64 and not (field.type == FieldDescriptor.TYPE_STRING and self._checks_utf8(field))

    def matches_well_known(self, descriptor: Descriptor) -> bool:
        """Whether a well-known type with a JSON form of its own may contain the text."""
        return self._well_known[descriptor.name]

    def _in_names(self, names: Iterable[str]) -> bool:
        return any(self.text in name.lower() for name in names)

    def _checks_utf8(self, field: FieldDescriptor) -> bool:
        message: Any = field.containing_type
        if message not in self._utf8_checked:
            file = FileDescriptorProto()
            message.file.CopyToProto(file)
            self._utf8_checked[message] = file.syntax == "proto3"
        return self._utf8_checked[message]
