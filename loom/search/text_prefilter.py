"""A text that is looked for, and where it may be although the bytes of a message do not hold it.

A string is on the wire as it is, so that most messages need no walk through their fields: the text is not among
their bytes. What is written otherwise on the wire than it reads (numbers, names of enums, bytes as base64, times)
is told by what such a field can say at all. Where in doubt the answer is yes: it only costs time.
"""

import re
from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto

_NUMBER = re.compile(r"[0-9.+e-]*")
_TIME = re.compile(r"[0-9.:tz+-]*|[0-9.s-]*")
_BASE64 = re.compile(r"[0-9a-z+/=]*")
# The lower case of a sigma depends on its neighbours; U+FFFD stands for bytes that are no text.
_CONTEXT = re.compile("[\u03c3\u03c2\ufffd]")
_NUMBERS = ("DoubleValue", "FloatValue", "Int64Value", "UInt64Value", "Int32Value", "UInt32Value")
_STRINGS = frozenset((FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES))


class TextPrefilter:
    """``text`` is compared in lower case; ``names`` are those of every enum that is known.

    ``usable``: what is said here of it is true.
    """

    def __init__(self, text: str, names: Iterable[str] = ()) -> None:
        self.text = text.lower()
        self.usable = bool(self.text) and not _CONTEXT.search(self.text)
        self._number = bool(_NUMBER.fullmatch(self.text)) or self.text in "-infinity" or self.text in "nan"
        self._truth = self.text in "true" or self.text in "false"
        self._base64 = bool(_BASE64.fullmatch(self.text))
        self._time = bool(_TIME.fullmatch(self.text))
        self._free = self._number or self._truth or self.text in "null"
        self._mask = "," in self.text
        self._any = any((self._free, self._base64, self._time, self._mask)) or self._is_in(names)
        self._strict: dict[Any, bool] = {}
        self._well_known = {
            **dict.fromkeys(_NUMBERS, self._number),
            **dict.fromkeys(("Timestamp", "Duration"), self._time),
            **dict.fromkeys(("Struct", "Value", "ListValue"), self._free),
            "FieldMask": self._mask,
            "BoolValue": self._truth,
            "BytesValue": self._base64,
            "StringValue": False,
        }

    def is_among(self, data: bytes) -> bool:
        """Whether a string in these bytes may hold it, or a field mask, whose names JSON writes in camel case."""
        text = data.decode("utf-8", "replace").lower()
        return self.text in text or self.text in text.replace("_", "")

    def in_unknown(self) -> bool:
        """Whether a field that nothing describes may say it: as a number, or as base64."""
        return self._number or self._base64

    def in_any(self) -> bool:
        """Whether a message of any type whatever may say it."""
        return self._any

    def in_field(self, field: FieldDescriptor) -> bool:
        """Whether a field that is no message may say it."""
        if field.enum_type is not None:
            return self._number or self._is_in(value.name for value in field.enum_type.values)
        if field.type == FieldDescriptor.TYPE_BOOL:
            return self._truth
        if field.type not in _STRINGS:
            return self._number
        # Of what should be text and is none, bytes are made, unless the syntax refuses it.
        return self._base64 and not (field.type == FieldDescriptor.TYPE_STRING and self._is_strict(field))

    def in_well_known(self, descriptor: Descriptor) -> bool:
        """Whether a message that JSON writes in a way of its own may say it."""
        return self._well_known[descriptor.name]

    def _is_in(self, names: Iterable[str]) -> bool:
        return any(self.text in name.lower() for name in names)

    def _is_strict(self, field: FieldDescriptor) -> bool:
        holder: Any = field.containing_type
        if holder not in self._strict:
            file = FileDescriptorProto()
            holder.file.CopyToProto(file)
            self._strict[holder] = file.syntax == "proto3"
        return self._strict[holder]
