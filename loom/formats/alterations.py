"""What an export says of calls that rules or faults altered (docs/reference/format.md, "Altered calls")."""

from collections.abc import Mapping
from typing import Any

from loom.model import Call


def altered_by(call: Call) -> list[str]:
    """What altered a call: ``rule louder``; nothing if everything went on as it came."""
    return [f"{kind} {name}".rstrip() for kind, name in call.acted] if call.modified else []


def alteration_note(call: Call) -> str:
    """A sentence on which of the two is sent again and expected; "" for a call that nothing altered."""
    names = altered_by(call)
    if not names:
        return ""
    return f"altered by {', '.join(names)}: sent as it went on, and the target's own answer is expected"


def describe_interceptions(call: Call) -> list[Mapping[str, Any]]:
    """What acted, where, and how much went on instead; without what came."""
    return [
        {
            "point": item.point.value,
            "index": item.index,
            "altered": item.altered,
            "count": item.count,
            "actions": [
                {
                    "kind": action.kind.value,
                    "name": action.name,
                    "effect": action.effect,
                    "applied": action.applied,
                }
                for action in item.actions
            ],
        }
        for item in call.interceptions
    ]
