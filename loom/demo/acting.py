"""A rule and a fault for the demo, switched off until somebody switches them on."""

from typing import Any

from loom.interception.rule_interceptor import RuleInterceptor
from loom.interception.rule_sources import RuleSources
from loom.model.interception import ActionKind

TABLES: tuple[tuple[ActionKind, dict[str, Any]], ...] = (
    (
        ActionKind.RULE,
        {
            "name": "the ghost ship is in port",
            "match": "method:GetVessel",
            "when": {"point": "response-message"},
            "do": [
                {"set": "name", "to": "Flying Dutchman"},
                {"set": "moored", "to": {"quay": "Landungsbrücken", "number": 13}},
            ],
        },
    ),
    (
        ActionKind.FAULT,
        {
            "name": "fog",
            "match": "service:harbour.v1.Vessels",
            "percent": 50,
            "delay": "200ms..1s",
            "status": "UNAVAILABLE",
            "message": "fog over the harbour: try again",
        },
    ),
)


def add_rules(sources: RuleSources, interceptor: RuleInterceptor) -> None:
    """Add them as clients of the API do, so that the page can edit and remove them, too."""
    for kind, table in TABLES:
        rule = sources.compile(kind, {**table, "enabled": False})
        interceptor.rules = sources.add(rule, interceptor.rules)
