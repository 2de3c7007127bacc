"""Every endpoint of the API: method, path, parameters, body, answer. Routes, OpenAPI and docs are made from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from .base import Parameters, Question
from .breakpoints import (
    Breakpoint,
    BreakpointParameters,
    BreakpointRequest,
    Breakpoints,
    BreakpointsSwitch,
)
from .calls import CallDetail, CallsPage, CallsParameters, Cleared, RevealParameter
from .feed import FEED_EVENTS, SEARCH_EVENTS, FeedParameters, SearchParameters
from .files import ExportParameters, ImportResult
from .holds import HOLD_EVENTS, HoldDecision, HoldDetail, Holds
from .messages import (
    MessageParameters,
    MessagesPage,
    MessagesParameters,
    MessageView,
    SamplesParameters,
    StreamSamples,
)
from .reload import Reloaded
from .replay import Diff, DiffParameters, GrpcurlCommand, GrpcurlParameters, ReplayRequest, ReplayStarted
from .rules import (
    RuleEntry,
    RuleNameParameter,
    RuleReplacement,
    Rules,
    RulesSwitch,
    RuleText,
    RuleTrial,
    RuleTrialResult,
)
from .schema import CallSchema, RemovalParameters, SchemaSources, SchemaUpload, Uploads
from .stats import Health, Live, Ready, StatsSeries

JSON = "application/json"
BINARY = "application/octet-stream"
EVENTS = "text/event-stream"
TEXT = "text/plain"
EXPORTS = ("application/x-ndjson", JSON, "text/x-shellscript", "text/x-python", "application/zip")
"""Media types of the formats that calls are exported as."""

BAD_REQUEST = {400: "A parameter or the body is not valid."}
NOT_FOUND = {404: "There is no such call."}
NO_BREAKPOINTS = {404: "Nothing can act on traffic: the wire engine forwards bytes."}
NO_BREAKPOINT = {404: "There is no such breakpoint, or nothing can act on traffic."}
NO_HOLD = {404: "This item is not held, or nothing can act on traffic."}
FILTER = {400: "A parameter is not valid; `column` says where the filter is wrong."}
RULE_ERRORS = BAD_REQUEST | {
    404: "No rule of this name was added, or nothing can act on traffic.",
    409: "Another rule has the name, or there are 500 rules.",
    413: "The body is too large.",
    422: "The rule is not valid; `field` is its key, as in `do[1].set`, and `column` where its text is wrong.",
}
SEARCH_FAILURES = {
    500: "The search failed.",
    503: "The search process died, twice: the same request may succeed later.",
    504: "The filter took too long.",
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path.

    ``answer`` is the structure of a JSON answer, ``media_types`` of the others, ``events`` the data of server-sent
    events by name; ``body`` is the structure of a JSON body, ``body_type`` the media type of another. ``errors`` are
    statuses with what they mean, ``also`` further statuses that have the ordinary answer.
    """

    name: str
    method: str
    path: str
    summary: str
    answer: type | None = None
    parameters: type[Parameters] | None = None
    body: type[Question] | None = None
    body_type: str = JSON
    media_types: tuple[str, ...] = ()
    events: Mapping[str, type] | None = None
    errors: Mapping[int, str] = field(default_factory=dict)
    also: tuple[int, ...] = ()
    open: bool = False  # answered without a token


LIST_CALLS = Endpoint(
    "list_calls", "GET", "/api/calls",
    "List calls, oldest first: the newest `limit`, those of a filter, or those after an id.",
    CallsPage, CallsParameters, errors=FILTER | SEARCH_FAILURES,
)  # fmt: skip
CLEAR_CALLS = Endpoint(
    "clear_calls", "DELETE", "/api/calls", "Clear the history. Calls under way stay.", Cleared
)
GET_CALL = Endpoint(
    "get_call", "GET", "/api/calls/{id}", "Get a call in full, but for its messages.",
    CallDetail, RevealParameter, errors=BAD_REQUEST | NOT_FOUND,
)  # fmt: skip
LIST_MESSAGES = Endpoint(
    "list_messages", "GET", "/api/calls/{id}/messages", "List messages of a call, in the order in which they passed.",
    MessagesPage, MessagesParameters, errors=BAD_REQUEST | NOT_FOUND,
)  # fmt: skip
GET_MESSAGE = Endpoint(
    "get_message", "GET", "/api/calls/{id}/messages/{index}", "Get a message in every view, or its bytes.",
    MessageView, MessageParameters, media_types=(BINARY,),
    errors=BAD_REQUEST | {404: "There is no such call or message.", 410: "The message is no longer held."},
)  # fmt: skip
GET_ORIGINAL = Endpoint(
    "get_original", "GET", "/api/calls/{id}/originals/{number}",
    "Get a message as it came, before a rule or a fault altered it; `number` is the position in `interceptions`.",
    MessageView, MessageParameters, media_types=(BINARY,),
    errors=BAD_REQUEST
    | {404: "There is no such call, or nothing altered such a message.", 410: "The message is no longer held."},
)  # fmt: skip
SAMPLE_MESSAGES = Endpoint(
    "sample_messages", "GET", "/api/calls/{id}/samples",
    "Sample a stream: messages at evenly spaced indices, as cheap for a million as for a few.",
    StreamSamples, SamplesParameters, errors=BAD_REQUEST | NOT_FOUND,
)  # fmt: skip
GET_GRPCURL = Endpoint(
    "get_grpcurl", "GET", "/api/calls/{id}/grpcurl", "Get the grpcurl command that sends the call again.",
    GrpcurlCommand, GrpcurlParameters, errors=BAD_REQUEST | NOT_FOUND,
)  # fmt: skip
GET_PROTOSET = Endpoint(
    "get_protoset", "GET", "/api/calls/{id}/protoset",
    "Get the schema of the call's method, with all that it imports, as a serialized `FileDescriptorSet`.",
    media_types=(BINARY,), errors={404: "There is no such call, or no source knows its method."},
)  # fmt: skip
GET_CALL_SCHEMA = Endpoint(
    "get_call_schema", "GET", "/api/calls/{id}/schema", "Get the outline of the schema of the call's method.",
    CallSchema,
    errors={404: "There is no such call, or no source knows its method.", 503: "The schema is still being fetched."},
)  # fmt: skip
REPLAY_CALL = Endpoint(
    "replay_call", "POST", "/api/calls/{id}/replay",
    "Send the call again, as recorded or edited. Answers once it has begun.",
    ReplayStarted, body=ReplayRequest,
    errors=BAD_REQUEST
    | NOT_FOUND
    | {413: "The body is too large.", 422: "The call cannot be sent so: `field` and `message_index` say where."},
)  # fmt: skip
DIFF_CALLS = Endpoint(
    "diff_calls", "GET", "/api/calls/{id}/diff/{other}", "Compare two calls, or one message of each.",
    Diff, DiffParameters,
    errors={400: "A parameter is not valid; `column` says where a path is wrong."}
    | {404: "There is no such call or message."},
)  # fmt: skip
LIST_SOURCES = Endpoint(
    "list_sources", "GET", "/api/schema", "List where descriptors come from.", SchemaSources
)
LIST_UPLOADS = Endpoint("list_uploads", "GET", "/api/schema/protos", "List the uploaded files.", Uploads)
UPLOAD_SCHEMA = Endpoint(
    "upload_schema", "POST", "/api/schema/protos",
    "Upload `.proto` files or descriptor sets. Recorded calls are decoded with them, too, from now on.",
    Uploads, body=SchemaUpload,
    errors=BAD_REQUEST | {413: "The files are too large.", 422: "A name is not a relative path, or there is too much."},
)  # fmt: skip
REMOVE_UPLOADS = Endpoint(
    "remove_uploads", "DELETE", "/api/schema/protos", "Remove an uploaded file, or all.",
    Uploads, RemovalParameters, errors=BAD_REQUEST | {404: "No file of this name has been uploaded."},
)  # fmt: skip
SEARCH_CALLS = Endpoint(
    "search_calls", "GET", "/api/search",
    "Search all calls, in memory and in the session, with progress. Closing the connection cancels the search.",
    parameters=SearchParameters, events=SEARCH_EVENTS, errors=FILTER,
)  # fmt: skip
EXPORT_CALLS = Endpoint(
    "export_calls", "GET", "/api/export",
    "Download the calls of `ids`, or those that match the filter, or all.",
    parameters=ExportParameters, media_types=EXPORTS,
    errors={400: "A parameter is not valid.", 500: "The calls cannot be read."} | {503: SEARCH_FAILURES[503]},
)  # fmt: skip
IMPORT_CALLS = Endpoint(
    "import_calls", "POST", "/api/import",
    "Import a file of calls (NDJSON, a bundle, a session's database, grpc-dump's JSON) under new ids.",
    ImportResult, body_type=BINARY,
    errors={413: "The file is larger than 1 GiB.", 422: "The file is not one that Loom reads."},
)  # fmt: skip
LIST_RULES = Endpoint(
    "list_rules", "GET", "/api/rules", "List the rules and faults that act on traffic, and what they did.",
    Rules, errors={404: "Nothing can act on traffic: the wire engine forwards bytes."},
)  # fmt: skip
SWITCH_RULES = Endpoint(
    "switch_rules", "POST", "/api/rules",
    "Switch all rules and faults, or one, for calls that start from now on.",
    Rules, body=RulesSwitch,
    errors=BAD_REQUEST | {404: "There is no such rule, or nothing can act on traffic.", 413: "The body is too large."},
)  # fmt: skip
GET_RULE_TEXT = Endpoint(
    "get_rule_text", "GET", "/api/rules/tables",
    "Get a rule or a fault as it is written in a file, or all that were added, to keep them in one.",
    RuleText, RuleNameParameter, errors={404: "There is no such rule, or nothing can act on traffic."},
)  # fmt: skip
ADD_RULE = Endpoint(
    "add_rule", "POST", "/api/rules/tables",
    "Add a rule or a fault after all others, for calls that start from now on, until Loom ends.",
    Rules, body=RuleEntry, errors=RULE_ERRORS,
)  # fmt: skip
REPLACE_RULE = Endpoint(
    "replace_rule", "PUT", "/api/rules/tables", "Replace a rule or a fault that was added.",
    Rules, body=RuleReplacement, errors=RULE_ERRORS,
)  # fmt: skip
REMOVE_RULES = Endpoint(
    "remove_rules", "DELETE", "/api/rules/tables", "Remove a rule or a fault that was added, or all of them.",
    Rules, RuleNameParameter, errors={404: "No such rule was added, or nothing can act on traffic."},
)  # fmt: skip
TRY_RULE = Endpoint(
    "try_rule", "POST", "/api/rules/dry-run",
    "Try a rule or a fault on the calls in memory: what it would have matched and changed. Nothing is sent.",
    RuleTrialResult, body=RuleTrial, errors={status: RULE_ERRORS[status] for status in (400, 404, 413, 422)},
)  # fmt: skip
LIST_BREAKPOINTS = Endpoint(
    "list_breakpoints", "GET", "/api/breakpoints", "List the breakpoints.",
    Breakpoints, errors=NO_BREAKPOINTS,
)  # fmt: skip
SET_BREAKPOINT = Endpoint(
    "set_breakpoint", "POST", "/api/breakpoints",
    "Set a breakpoint for calls that start from now on. Whoever sets one counts as looking for five seconds.",
    Breakpoint, body=BreakpointRequest,
    errors={400: "The body is not valid; `column` says where the filter is wrong."}
    | {413: "The body is too large.", 422: "There are too many breakpoints."}
    | NO_BREAKPOINTS,
)  # fmt: skip
SWITCH_BREAKPOINTS = Endpoint(
    "switch_breakpoints", "POST", "/api/breakpoints/switch",
    "Switch all breakpoints, or one. What one that is switched off holds is sent.",
    Breakpoints, body=BreakpointsSwitch,
    errors=BAD_REQUEST | NO_BREAKPOINT | {413: "The body is too large."},
)  # fmt: skip
REMOVE_BREAKPOINTS = Endpoint(
    "remove_breakpoints", "DELETE", "/api/breakpoints", "Remove a breakpoint, or all. What it holds is sent.",
    Breakpoints, BreakpointParameters, errors=BAD_REQUEST | NO_BREAKPOINT,
)  # fmt: skip
LIST_HOLDS = Endpoint(
    "list_holds", "GET", "/api/holds",
    "List what breakpoints hold. The client counts as watching for five seconds.",
    Holds, errors=NO_BREAKPOINTS,
)  # fmt: skip
FOLLOW_HOLDS = Endpoint(
    "follow_holds", "GET", "/api/holds/events",
    "Follow what breakpoints hold: everything, again after each change. Who follows counts as looking: breakpoints "
    "hold only while somebody does.",
    events=HOLD_EVENTS, errors=NO_BREAKPOINTS,
)  # fmt: skip
RESUME_HOLDS = Endpoint(
    "resume_holds", "POST", "/api/holds/resume", "Send everything that is held, unedited.",
    Holds, errors=NO_BREAKPOINTS,
)  # fmt: skip
GET_HOLD = Endpoint(
    "get_hold", "GET", "/api/holds/{id}", "Get a held item with its content.",
    HoldDetail, RevealParameter, errors=BAD_REQUEST | NO_HOLD,
)  # fmt: skip
DECIDE_HOLD = Endpoint(
    "decide_hold", "POST", "/api/holds/{id}", "Decide on a held item.",
    Holds, body=HoldDecision,
    errors=BAD_REQUEST
    | NO_HOLD
    | {409: "The call is over, or somebody else has decided on the item.", 413: "The body is too large."}
    | {422: "The decision does not fit the item, which stays held: `field` says where."},
)  # fmt: skip
RELOAD = Endpoint(
    "reload", "POST", "/api/reload",
    "Load the settings and the files that they name again, while calls go on. All of it takes effect, or nothing.",
    Reloaded,
    errors={404: "There are no settings: a file is open.", 422: "The settings have errors; `problems` lists them."},
)  # fmt: skip
GET_STATS = Endpoint(
    "get_stats", "GET", "/api/stats", "Get the figures of this moment and of the seconds before.", StatsSeries
)
FOLLOW_FEED = Endpoint(
    "follow_feed", "GET", "/api/events",
    "Follow the live feed. A client that comes back names the last event that it has seen.",
    parameters=FeedParameters, events=FEED_EVENTS,
)  # fmt: skip
GET_OPENAPI = Endpoint("get_openapi", "GET", "/api/openapi.json", "Get this description of the API.", dict)
GET_LIVE = Endpoint(
    "get_live", "GET", "/live", "Whether the process serves requests at all.", Live, open=True
)
GET_READY = Endpoint(
    "get_ready", "GET", "/ready",
    "Whether Loom takes traffic: 503 while it starts and while it drains.", Ready, also=(503,), open=True,
)  # fmt: skip
GET_HEALTH = Endpoint(
    "get_health", "GET", "/health",
    "Readiness with the state of the target, the breaker and the sinks. Where a token is required, these are shown "
    "only to a client that has it.",
    Health, also=(503,), open=True,
)  # fmt: skip
GET_METRICS = Endpoint(
    "get_metrics", "GET", "/metrics", "Metrics in the Prometheus text format.", media_types=(TEXT,), open=True
)

ENDPOINTS: tuple[Endpoint, ...] = tuple(item for item in list(vars().values()) if isinstance(item, Endpoint))
