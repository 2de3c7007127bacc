"""Rules and faults that act on traffic (``/api/rules``)."""

import time

from starlette.requests import Request
from starlette.responses import Response

from loom.api import endpoints
from loom.api.rules import Rules, RulesSwitch, RuleState
from loom.inspector.context import inspector_of
from loom.inspector.requests import read_body
from loom.inspector.responses import ApiError, JsonResponse
from loom.inspector.routing import route
from loom.interception.call_rules import ActiveRule
from loom.interception.rule_interceptor import RuleInterceptor
from loom.interception.selection import is_expired
from loom.model.interception import ActionKind

_MAX_BODY = 64 * 1024


async def list_rules(request: Request) -> Response:
    """Every rule, with what it did."""
    return JsonResponse(_rules(request))


async def switch_rules(request: Request) -> Response:
    """Switch all rules, or one, for calls that start from now on."""
    body = await read_body(request, RulesSwitch, _MAX_BODY)
    rules = _interceptor(request).rules
    if not body.name:
        rules.enabled = body.enabled
        return JsonResponse(_rules(request))
    for active in rules.active:
        if active.rule.name == body.name:
            active.state.enabled = body.enabled
            return JsonResponse(_rules(request))
    raise ApiError(404, f"there is no rule {body.name!r}", field="name")


def _interceptor(request: Request) -> RuleInterceptor:
    interceptor = inspector_of(request).interceptor
    if interceptor is None:
        raise ApiError(404, "nothing acts on traffic here", "the relay engine can: --engine relay")
    return interceptor


def _rules(request: Request) -> Rules:
    rules, now = _interceptor(request).rules, time.monotonic()
    return Rules(
        rules.enabled,
        rules.count_acting(now),
        rules.seed,
        inspector_of(request).rules_problem(),
        rules.warnings,
        [_state(active, now) for active in rules.active],
    )


def _state(active: ActiveRule, now: float) -> RuleState:
    rule, state = active.rule, active.state
    return RuleState(
        rule.name,
        "fault" if rule.kind is ActionKind.FAULT else "rule",
        rule.match.text,
        rule.sentence,
        state.enabled,
        is_expired(rule.selection, state, now),
        state.matched,
        state.acted,
        state.active,
        state.overflow,
        state.failures,
        state.last_error,
    )


routes = [route(endpoints.LIST_RULES, list_rules), route(endpoints.SWITCH_RULES, switch_rules)]
