"""The rules that may act on calls of one method, indexed by the metadata that they require.

Rules are often about one tenant, user or request each: a call then costs a lookup for each of its metadata items,
however many rules there are.
"""

from collections.abc import Iterable

from loom.model import MetadataItem

from .call_rules import ActiveRule
from .matching import CallView, metadata_text

_Entry = tuple[int, ActiveRule]
_Values = dict[str | None, list[_Entry]]


class MethodRules:
    """Rules in their order; immutable."""

    def __init__(self, rules: Iterable[ActiveRule]) -> None:
        self._unconditional: list[_Entry] = []
        self._by_key: dict[str, _Values] = {}
        self._count = 0
        for entry in enumerate(rules):
            self._count += 1
            required = entry[1].rule.match.required
            if not required:
                self._unconditional.append(entry)
            for key, value in required:
                self._by_key.setdefault(key, {}).setdefault(value, []).append(entry)

    def __len__(self) -> int:
        return self._count

    def may_match(self, metadata: Iterable[MetadataItem]) -> bool:
        """Whether any of them may match a call with this request metadata."""
        if self._unconditional or not self._by_key:
            return bool(self._unconditional)
        for key, value in metadata:
            values = self._by_key.get(key)  # keys on the wire are in lower case
            if values is not None and (None in values or metadata_text(value).lower() in values):
                return True
        return False

    def of(self, call: CallView) -> list[ActiveRule]:
        """Those that may match a call, in their order: all that do, and no rule twice."""
        if not self._by_key:
            return [rule for _, rule in self._unconditional]
        entries = dict(self._unconditional)
        for key, text in call.metadata():
            values = self._by_key.get(key.lower())
            if values is not None:
                entries.update(values.get(text.lower(), ()))
                entries.update(values.get(None, ()))
        return [entries[place] for place in sorted(entries)]
