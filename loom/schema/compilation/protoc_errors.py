"""Parse what protoc reports of files."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_LINE = re.compile(r"^(?P<file>.*?\.proto):(?:(?P<position>\d+:\d+):)? ?(?P<text>.*)$")
_UNDEFINED = re.compile(r'^"(?P<name>[\w.]+)" is not defined\.')
_RESOLVED = re.compile(r'^"[\w.]+" is resolved to "(?P<name>[\w.]+)", which is not defined\.')
_NOT_IMPORTED = re.compile(r'^"(?P<name>[\w.]+)" seems to be defined in "(?P<file>[^"]+)"')
_OPTION = re.compile(r'ption (?:field |value for |)"\((?P<name>[\w.]+)\)')
_CONFLICT = re.compile(r'is already defined in file "|^Extension number \d+ has already been used')
_CONSEQUENCES = ("was not found or had errors", "File not found.")


@dataclass(frozen=True, slots=True)
class ProtocMessage:
    """An error that protoc reports of a file."""

    file: str
    position: str
    text: str

    @property
    def undefined_type(self) -> tuple[str, bool] | None:
        """The type that is not defined, and whether its name is full; None if the error is about something else."""
        if match := _UNDEFINED.match(self.text):
            return match["name"].lstrip("."), match["name"].startswith(".")
        match = _RESOLVED.match(self.text) or _NOT_IMPORTED.match(self.text)
        return (match["name"].lstrip("."), True) if match else None

    @property
    def file_to_import(self) -> str | None:
        """The file that defines what this one uses without importing it."""
        match = _NOT_IMPORTED.match(self.text)
        return match["file"] if match else None

    @property
    def option(self) -> str | None:
        """The extension that an option which cannot be interpreted starts with."""
        match = _OPTION.search(self.text)
        return match["name"].lstrip(".") if match else None

    @property
    def is_conflict(self) -> bool:
        """Whether another file defines the same symbol."""
        return _CONFLICT.search(self.text) is not None

    @property
    def is_consequence(self) -> bool:
        """Whether the cause is an error of a file that this one imports."""
        return any(words in self.text for words in _CONSEQUENCES)

    @property
    def is_enum_default(self) -> bool:
        """Whether a field of what is taken for a message has a default."""
        return "can't have default values" in self.text


def parse_errors(output: str, files: Mapping[str, str]) -> list[ProtocMessage]:
    """The errors of files, in order; warnings and the lines of logging are left out.

    ``files`` are their names by what protoc calls them: their names, or their paths.
    """
    messages: list[ProtocMessage] = []
    for line in output.splitlines():
        match = _LINE.match(line)
        if match is None or match["text"].startswith("warning:"):
            continue
        if match["file"] in files:
            messages.append(ProtocMessage(files[match["file"]], match["position"] or "", match["text"]))
    return messages
