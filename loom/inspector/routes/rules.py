"""Rules and faults that act on traffic (``/api/rules``)."""

import time
from typing import Any

from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import Response

from loom.api import endpoints
from loom.api.rules import (
    RuleEntry,
    RuleNameParameter,
    RuleReplacement,
    Rules,
    RulesSwitch,
    RuleState,
    RuleText,
    RuleTrial,
)
from loom.inspector import rule_trial
from loom.inspector.context import inspector_of
from loom.inspector.requests import find_interceptor, read_body, read_parameters
from loom.inspector.responses import ApiError, JsonResponse
from loom.inspector.routing import route
from loom.interception import RuleFileError
from loom.interception.added_rules import RuleNameError
from loom.interception.call_rules import ActiveRule
from loom.interception.loop_scheduler import SchemaTypes
from loom.interception.rule_export import table_of, to_json, to_toml
from loom.interception.rule_sources import RuleSources
from loom.interception.rules import Rule, RuleSource
from loom.interception.selection import is_expired
from loom.model.interception import ActionKind

from .search import run_while_connected

_MAX_BODY = 64 * 1024
_MAX_TABLE = 16 * 1024 * 1024  # bytes: as much as a file of rules may have


async def list_rules(request: Request) -> Response:
    """Every rule, with what it did."""
    return JsonResponse(_rules(request))


async def switch_rules(request: Request) -> Response:
    """Switch all rules, or one, for calls that start from now on."""
    body = await read_body(request, RulesSwitch, _MAX_BODY)
    rules = find_interceptor(request).rules
    if not body.name:
        rules.enabled = body.enabled
        return JsonResponse(_rules(request))
    active = _find(request, body.name)
    now = time.monotonic()
    if body.enabled and is_expired(active.rule.selection, active.state, now):
        active.state.started = now  # its time begins again
    active.state.enabled = body.enabled
    return JsonResponse(_rules(request))


async def get_rule_text(request: Request) -> Response:
    """One rule, or all that were added, as the text of a file."""
    name = read_parameters(request, RuleNameParameter).name
    if name:
        shown = [_find(request, name)]
    else:
        shown = [
            active
            for active in find_interceptor(request).rules.active
            if active.rule.origin.source is RuleSource.API
        ]
    tables = [(active.rule.kind, _table(active)) for active in shown]
    try:
        toml = to_toml(tables)
    except ValueError:
        toml = ""
    return JsonResponse(RuleText(to_json(tables), toml))


async def add_rule(request: Request) -> Response:
    """Add a rule or a fault."""
    body = await read_body(request, RuleEntry, _MAX_TABLE)
    interceptor, sources = find_interceptor(request, _described(body)), _sources(request)
    rule = _compile(request, body)
    try:
        interceptor.rules = sources.add(rule, interceptor.rules)
    except (RuleNameError, RuleFileError) as error:
        raise _conflict(error) from error
    return JsonResponse(_rules(request))


async def replace_rule(request: Request) -> Response:
    """Replace a rule or a fault that was added."""
    body = await read_body(request, RuleReplacement, _MAX_TABLE)
    interceptor, sources = find_interceptor(request, _described(body)), _sources(request)
    rule = _compile(request, body)
    try:
        interceptor.rules = sources.replace(body.name, rule, interceptor.rules)
    except (RuleNameError, RuleFileError) as error:
        raise _conflict(error) from error
    return JsonResponse(_rules(request))


async def remove_rules(request: Request) -> Response:
    """Remove a rule or a fault that was added, or all of them."""
    interceptor, sources = find_interceptor(request), _sources(request)
    name = read_parameters(request, RuleNameParameter).name
    try:
        for removed in [name] if name else [rule.name for rule in sources.added.rules]:
            interceptor.rules = sources.remove(removed, interceptor.rules)
    except RuleNameError as error:
        raise _conflict(error) from error
    return JsonResponse(_rules(request))


async def try_rule(request: Request) -> Response:
    """Try a rule or a fault on the calls in memory."""
    inspector = inspector_of(request)
    interceptor = find_interceptor(request)
    body = await read_body(request, RuleTrial, _MAX_TABLE)
    rule = _compile(request, body)
    calls = inspector.history.newest(body.limit)
    trial = rule_trial.RuleTrial(
        rule, interceptor.rules.seed, SchemaTypes(inspector.decoder.schema), inspector.secrets, body.shown
    )
    return JsonResponse(await run_while_connected(request, trial.run(calls)))


def _compile(request: Request, entry: RuleEntry) -> Rule:
    """The rule of a body; :class:`ApiError` 400 without exactly one, 422 says what is wrong with it."""
    given: list[tuple[ActionKind, Any]] = [
        (kind, table)
        for kind, table in ((ActionKind.RULE, entry.rule), (ActionKind.FAULT, entry.fault))
        if table is not UNSET
    ]
    if len(given) != 1:
        raise ApiError(400, "the body has a rule or a fault, and one of them", "see docs/reference/api.md")
    try:
        return _sources(request).compile(*given[0])
    except RuleFileError as error:
        column = UNSET if error.column is None else error.column
        raise ApiError(422, str(error), field=error.key or UNSET, column=column) from error


def _described(entry: RuleEntry) -> str:
    """A rule or a fault by its kind and name, as far as it has them."""
    kind, table = (ActionKind.FAULT, entry.fault) if entry.rule is UNSET else (ActionKind.RULE, entry.rule)
    name = table.get("name") if isinstance(table, dict) else None
    return f"the {kind} {name!r}" if isinstance(name, str) and name else f"a {kind}"


def _sources(request: Request) -> RuleSources:
    sources = inspector_of(request).rule_sources
    if sources is None:
        raise ApiError(404, "nothing acts on traffic here")
    return sources


def _conflict(error: RuleNameError | RuleFileError) -> ApiError:
    if isinstance(error, RuleFileError):
        return ApiError(409, str(error), "remove some of those that were added")
    if error.is_taken:
        return ApiError(409, str(error), "choose another name, or replace that rule (PUT)", field="name")
    return ApiError(404, str(error), "rules of files and flags are changed where they are", field="name")


def _find(request: Request, name: str) -> ActiveRule:
    for active in find_interceptor(request).rules.active:
        if active.rule.name == name:
            return active
    raise ApiError(404, f"no rule is named {name!r}", field="name")


def _table(active: ActiveRule) -> dict[str, Any]:
    """The table of a rule, with its switch as it is now."""
    rule = active.rule
    table = {} if rule.table is None else table_of(rule.table)
    table.pop("enabled", None)
    return {"name": rule.name, **table, **({} if active.state.enabled else {"enabled": False})}


def _rules(request: Request) -> Rules:
    rules, now = find_interceptor(request).rules, time.monotonic()
    sources = inspector_of(request).rule_sources
    return Rules(
        rules.enabled,
        rules.count_acting(now),
        rules.seed,
        "" if sources is None else sources.problem,
        rules.warnings,
        [_state(active, now) for active in rules.active],
    )


def _state(active: ActiveRule, now: float) -> RuleState:
    rule, state = active.rule, active.state
    duration = rule.selection.duration
    return RuleState(
        rule.name,
        "fault" if rule.kind is ActionKind.FAULT else "rule",
        rule.match.text,
        rule.sentence,
        state.enabled,
        is_expired(rule.selection, state, now),
        state.matched,
        state.selected,
        state.acted,
        state.active,
        state.overflow,
        state.failures,
        state.last_error,
        rule.origin.source.value,
        rule.origin.path,
        rule.origin.line,
        None if duration is None else max(0.0, round(duration - (now - state.started), 1)),
    )


routes = [
    route(endpoints.LIST_RULES, list_rules),
    route(endpoints.SWITCH_RULES, switch_rules),
    route(endpoints.GET_RULE_TEXT, get_rule_text),
    route(endpoints.ADD_RULE, add_rule),
    route(endpoints.REPLACE_RULE, replace_rule),
    route(endpoints.REMOVE_RULES, remove_rules),
    route(endpoints.TRY_RULE, try_rule),
]
