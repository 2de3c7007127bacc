/**
 * The JSON of docs/reference/api.md, as types. Generated from loom/api by "make api": do not edit.
 *
 * `_us` are microseconds; pairs of numbers are [client → backend, backend → client].
 */

export type ActionKind = "rule" | "fault" | "breakpoint" | "mock";

export type CallState = "live" | "ended";

export type ChangeKind = "changed" | "added" | "removed";

export type Continuation = "stay" | "step" | "run";

export type Direction = "request" | "response";

export type EndedBy = "backend" | "client" | "deadline" | "loom";

export type Flag = "replayed" | "edited" | "truncated" | "unobserved" | "restored" | "modified" | "held";

export type HoldAction =
  "send" | "edit" | "drop" | "duplicate" | "insert-before" | "insert-after" | "answer" | "cancel";

export type Kind = "unary" | "server" | "client" | "bidi";

export type Point =
  "start" | "request-metadata" | "request-message" | "half-close" | "response-metadata" | "response-message" | "status";

export type ReleasePolicy = "deadline" | "never" | "after";

export type ReplaySource = "went" | "came";

export type ReplayTiming = "fast" | "recorded" | "turns";

/** The circuit breaker. */
export interface BreakerStatus {
  /** While `open`, calls fail fast. */
  readonly state: "closed" | "half_open" | "open";
  /** Consecutive connection failures. */
  readonly failures: number;
  /** When the next attempt is made; null unless `open`. */
  readonly retry_in_ms: number | null;
}

/** One breakpoint. */
export interface Breakpoint {
  /** Its name. */
  readonly name: string;
  /** The filter of the calls whose items it holds. */
  readonly match: string;
  /** Where in a call it holds items. */
  readonly points: readonly Point[];
  /**
   * When Loom sends an item automatically: `deadline`: shortly before the call's deadline, at 250 ms or 5 % of it,
   * whichever is more; `after`: after `release_after_ms`; `never`.
   */
  readonly release: ReleasePolicy;
  /** For `after`: how long an item is held. */
  readonly release_after_ms: number;
  /** Whether it is switched on. */
  readonly enabled: boolean;
  /** Calls that it matched. */
  readonly calls: number;
  /** Items that it held. */
  readonly hits: number;
}

/** A breakpoint to set, for calls that start from now on. It takes the place of one of the same name. */
export interface BreakpointRequest {
  /**
   * A filter of what is known when a call starts: method, service, authority, peer, metadata, target; empty for every
   * call.
   */
  match?: string;
  /** Where to hold items; both directions' messages by default. */
  points?: readonly Point[];
  /** A name; empty for one that Loom chooses. */
  name?: string;
  /** When Loom sends an item automatically. */
  release?: ReleasePolicy;
  /** For `after`: how long an item is held. */
  release_after_ms?: number;
}

/** All breakpoints, and what is held. */
export interface Breakpoints {
  /** The breakpoints, in the order in which they were set. */
  readonly breakpoints: readonly Breakpoint[];
  /** Whether somebody looks. While nobody does, breakpoints let everything pass. */
  readonly watched: boolean;
  /** Items that are held now, without those whose call is over. */
  readonly holding: number;
  /** Calls and items that passed since nobody looked. */
  readonly passed_unwatched: number;
  /** Items that passed since too many, or too large ones, were held. */
  readonly passed_limit: number;
  /** Items that passed since the deadline of their call was too near. */
  readonly passed_deadline: number;
}

/** Switches all breakpoints, or one. What one that is switched off holds is sent. */
export interface BreakpointsSwitch {
  /** Whether they shall hold items. */
  enabled: boolean;
  /** The breakpoint; empty for all. */
  name?: string;
}

/** A call in full, but for its messages. */
export interface CallDetail extends Summary {
  /** Request metadata, response headers and trailers. */
  readonly metadata: CallMetadata;
  /** When things happened. */
  readonly timing: Timing;
  /** Decoded error details; null if there were none. */
  readonly status_details: StatusDetails | null;
  /** Where the method's descriptor came from, or why there is none. */
  readonly schema: MethodSchema;
  /** A remark of Loom about the call, such as why it could not be forwarded. */
  readonly note: string;
  /** Facts of the HTTP/2 stream that the engine reports. */
  readonly wire: Readonly<Record<string, string | number>>;
  /** What is no longer held. */
  readonly dropped: Dropped;
  /** Ids of the calls that replay this one. */
  readonly replays: readonly number[];
  /** The request's content type; empty if the engine cannot see it. */
  readonly content_type: string;
  /** What rules and faults did to it, in order. */
  readonly interceptions: readonly Interception[];
  /** How many further interceptions are not listed. */
  readonly dropped_interceptions: number;
}

/** Metadata of a call. A block that has not been seen is null. */
export interface CallMetadata {
  /** What the client sent. */
  readonly request: readonly MetadataItem[];
  /** The response headers. */
  readonly initial: readonly MetadataItem[] | null;
  /** The trailers. */
  readonly trailing: readonly MetadataItem[] | null;
}

/** The outline of a call's method, and where it came from. */
export interface CallSchema extends Outline {
  /** The source, such as `reflection v1`. */
  readonly source: string;
  /** Its address or file. */
  readonly origin: string;
  /** When it was fetched. */
  readonly fetched_us: number;
}

/** A page of the list, oldest call first. */
export interface CallsPage {
  /** The calls of the page. */
  readonly calls: readonly Summary[];
  /** Calls held in memory. */
  readonly total: number;
  /** Ended calls with a smaller id are no longer in memory. */
  readonly oldest_id: number;
  /** Calls evicted from memory so far. */
  readonly evicted: number;
  /** Identifies this launch of Loom. */
  readonly boot: string;
  /** The position of the feed (with `boot`) up to which the page is at least current. */
  readonly seq: number;
  /** Whether there are further calls beyond `limit`. */
  readonly more: boolean;
  /** What could not be read, a line each. */
  readonly problems: readonly string[];
}

/** One difference. */
export interface Change {
  /** The place: `request 0`, `response 2`, `status`, `trailing metadata`, … */
  readonly where: string;
  /** The field in it (`items[2].price`); empty for all of it. */
  readonly path: string;
  /** `added` is only on the right, `removed` only on the left. */
  readonly kind: ChangeKind;
  /** The value on the left; null if there is none. */
  readonly left: unknown;
  /** The value on the right; null if there is none. */
  readonly right: unknown;
}

/** The answer to clearing the history. */
export interface Cleared {
  /** How many calls were removed. */
  readonly cleared: number;
}

/** What differs between two calls, or between two messages. */
export interface Diff {
  /** Whether nothing differs. */
  readonly equal: boolean;
  /** The first 10,000 differences. */
  readonly changes: readonly Change[];
  /** How many differences there are beyond those. */
  readonly more: number;
}

/** What is no longer held of a call, to stay within the memory budget. */
export interface Dropped {
  /** Messages. */
  readonly messages: number;
  /** Their payload bytes. */
  readonly bytes: number;
}

/** The body of every error. */
export interface ErrorAnswer {
  /** What is wrong. */
  readonly error: Problem;
}

/** A field of a message to set or to delete. */
export interface FieldEdit {
  /** Its path: numbers (`1.3`) need no schema, names (`items[0].price`) do. */
  path: string;
  /** The value to set: JSON; without a schema a number, a text, or `{"base64": "…"}`. */
  value?: unknown;
  /** Whether to delete it instead. */
  delete?: boolean;
}

/** Updates were skipped for this client: fetch `/api/calls` again. */
export interface Gap {
  /** How many; null if that is not known. */
  readonly missed: number | null;
}

/** A shell command that sends the call again. */
export interface GrpcurlCommand {
  /** The command; empty if grpcurl cannot send the call. */
  readonly command: string;
  /** Why it cannot, or what the command does otherwise than the call did. */
  readonly notes: readonly string[];
}

/** Readiness, and to a client with the token, or where none is required, the target, the breaker and the sinks. */
export interface Health {
  /** `ok` with 200; `starting` or `draining` with 503. */
  readonly status: string;
  /** The connection to the target. A target that is down does not make Loom unhealthy. */
  readonly target?: TargetStatus;
  /** The circuit breaker; null if it is off. */
  readonly breaker?: BreakerStatus | null;
  /** Where calls are written. */
  readonly sinks?: Sinks;
}

/** The first event, always. */
export interface Hello extends Launch {
  /** Identifies this launch of Loom. */
  readonly boot: string;
  /** The position of the feed. */
  readonly seq: number;
  /** Ended calls with a smaller id are no longer in memory. */
  readonly oldest_id: number;
  /** Whether the calls changed since the client's last event follow. */
  readonly resumed: boolean;
  /** Figures of this moment. */
  readonly stats: Stats;
}

/** The history was cleared. */
export type HistoryCleared = Record<string, never>;

/** One held item. */
export interface Hold {
  /** The number of the hold. */
  readonly id: number;
  /** The call; 0 if it is not recorded yet. */
  readonly call_id: number;
  /** The call's full method name. */
  readonly method: string;
  /** The client's address. */
  readonly peer: string;
  /** Where in the call the item is held. */
  readonly point: Point;
  /** Of a message: its number among those that came in its direction, from 0. */
  readonly index: number;
  /** The breakpoints, or rules, that hold it; those of the item before it after a step. */
  readonly names: readonly string[];
  /** Since when it is held. */
  readonly came_us: number;
  /** The deadline of the call, which cannot be stopped. */
  readonly deadline_us: number | null;
  /** When Loom sends it automatically, unedited; null for never. */
  readonly release_us: number | null;
  /** Why then. */
  readonly release_reason: string;
  /** Length in bytes. */
  readonly size: number;
  /** Whether an edit of it was saved. */
  readonly edited: boolean;
  /**
   * The call is over: its client has left, or the target has ended it. The item can no longer be sent; it stays, with
   * its edit, until it is dropped or makes room.
   */
  readonly over: boolean;
}

/** What to do with a held item. If it does not fit, the item stays held. */
export interface HoldDecision {
  /**
   * `send` it, with an edit or as it is; save the `edit`, and hold on; `drop` it; `duplicate` it; `insert-before` or
   * `insert-after` it another message; `answer` the call with a status; `cancel` the call.
   */
  action?: HoldAction;
  /**
   * The whole message, edited, in canonical protobuf JSON; of an insertion the message to insert. What is not edited
   * keeps its bytes.
   */
  json?: unknown;
  /** Single fields to edit, in order, after `json`. */
  fields?: readonly FieldEdit[];
  /** The whole header block, or the trailers. A masked value stands for what came. */
  metadata?: readonly MetadataEdit[] | null;
  /** The status, at that point or to answer with. */
  status?: StatusEdit | null;
  /** At the start: the deadline of the target's call; 0 is none. */
  deadline_ms?: number | null;
  /**
   * `stay`: breakpoints hold as before; `step`: the next item of this call is held, at whatever point; `run`: this call
   * is held no more.
   */
  then?: Continuation;
}

/** A held item with its content: what a saved edit has made of it. */
export interface HoldDetail extends Hold {
  /** The message; null at other points. */
  readonly message: MessageView | null;
  /** The header block, or the trailers; null at other points. */
  readonly metadata: readonly MetadataItem[] | null;
  /** The status; null at other points. */
  readonly status: Status | null;
  /** At the start: the deadline of the target's call; null for none. */
  readonly deadline_ms: number | null;
  /** How many further items a rule has added, which go on with it. */
  readonly added: number;
}

/** Everything that is held. */
export interface Holds {
  /** Grows with every change: of two answers or events, the one with the larger number is the newer. */
  readonly seq: number;
  /** The held items, oldest first. */
  readonly holds: readonly Hold[];
  /** Their sizes together. */
  readonly bytes: number;
  /** At most this many items are held; further ones pass. */
  readonly max_holds: number;
  /** At most this many bytes are held. */
  readonly max_bytes: number;
  /** Whether somebody looks. If nobody does for five seconds, everything is sent. */
  readonly watched: boolean;
  /** Calls and items that passed since nobody looked. */
  readonly passed_unwatched: number;
  /** Items that passed since too many, or too large ones, were held. */
  readonly passed_limit: number;
  /** Items that passed since the deadline of their call was too near. */
  readonly passed_deadline: number;
}

/** What an import added. */
export interface ImportResult {
  /** The format of the file. */
  readonly kind: string;
  /** How many calls it had. */
  readonly imported: number;
  /** Their new ids. */
  readonly ids: readonly number[];
  /** What could not be read, a line each; the rest was imported. */
  readonly problems: readonly string[];
}

/**
 * What was done to one item of a call: what came, and how much went on in its place. The item that came is in
 * `metadata` and `status`, or, for a message, at `/api/calls/{id}/originals/{number}`, where `number` is the position
 * in this list.
 */
export interface Interception {
  /** Where in the call the item came. */
  readonly point: Point;
  /** Of a message: its number among those that came in its direction, from 0. */
  readonly index: number;
  /** What acted on it, in order. */
  readonly actions: readonly InterceptionAction[];
  /** Whether something else went on; false if it was only delayed, or masked in the record. */
  readonly altered: boolean;
  /** Of a message: the index in the call of the first message that went on in its place, if `count` is not 0. */
  readonly position: number | null;
  /** How many items went on in its place. */
  readonly count: number;
  /** When it came. */
  readonly came_us: number;
  /** For how long it was held. */
  readonly held_us: number;
  /** Of a message: the length of what came; null if that went on, too. */
  readonly original_size: number | null;
  /** Whether the bytes of the message that came can be shown. */
  readonly original_held: boolean;
  /** The header block or the trailers that came; null if the same went on. */
  readonly metadata: readonly MetadataItem[] | null;
  /** The status that came; null if the same went on. */
  readonly status: Status | null;
}

/** What one rule or fault did to one item. */
export interface InterceptionAction {
  /** What it is. */
  readonly kind: ActionKind;
  /** Its name. */
  readonly name: string;
  /** What it did, such as `set items[*].price`. */
  readonly effect: string;
  /** False if it did not: it failed, or a rule before it ended the call. */
  readonly applied: boolean;
}

/** What is constant while a Loom runs. */
export interface Launch {
  /** Loom's version. */
  readonly version: string;
  /** The address of the proxy; empty where a file is open. */
  readonly listen: string;
  /** The address of the inspector. */
  readonly ui: string;
  /** The target. */
  readonly target: string;
  /** `relay` or `wire`; `file` where a file is open. */
  readonly engine: string;
  /** The name of the file that `loom open` shows. */
  readonly read_only?: string;
  /** What could not be read of that file. */
  readonly problems?: readonly string[];
}

/** The process serves requests. */
export interface Live {
  /** Always `live`. */
  readonly status: "live";
}

/** The NDJSON log. */
export interface LogStatus {
  /** The file. */
  readonly path: string;
  /** Calls written. */
  readonly written: number;
  /** Calls lost because the queue was full or the disk refused them. */
  readonly dropped: number;
  /** Why calls are not written; empty while they are. */
  readonly error: string;
}

/** A message in one line. */
export interface MessageRow {
  /** Its position in the call, from 0, both directions counted together. */
  readonly index: number;
  /** Which way it went. */
  readonly direction: Direction;
  /** When it passed. */
  readonly time_us: number;
  /** Length in bytes, as on the wire. */
  readonly size: number;
  /** Whether it was compressed. */
  readonly compressed: boolean;
  /** The compression (`grpc-encoding`); empty if it is not known. */
  readonly encoding: string;
  /** Whether its bytes are no longer held. */
  readonly dropped: boolean;
  /** The full name of its message type; null without a schema. */
  readonly type: string | null;
  /** Its content in one line of at most 200 characters. */
  readonly preview: string;
  /** Why it cannot be decoded; its bytes can be shown all the same. */
  readonly error: string | null;
}

/** A message in every view. */
export interface MessageView extends MessageRow {
  /**
   * The message in canonical protobuf JSON, or as it is if it was JSON. Null if there is none, or it was cut. An Any of
   * an unknown type is `{"@type": url, "@value": base64}`.
   */
  readonly json: unknown;
  /** The same as text, in which no number loses digits. */
  readonly json_text: string | null;
  /** Whether `json_text` is only the beginning. */
  readonly json_cut: boolean;
  /** The typed view. */
  readonly tree: Node | null;
  /** The view without a schema: fields by number. */
  readonly wire: Node | null;
  /** The bytes, decompressed, in hexadecimal; at most the parameter `bytes` of them. */
  readonly hex: string;
  /** The same in base64. */
  readonly data_base64: string;
  /** How many bytes were left out of `hex` and `data_base64`. */
  readonly truncated: number;
  /** Where the descriptor came from; null without one. */
  readonly source: string | null;
  /** Why the descriptor is missing. */
  readonly schema_error: string | null;
  /** Whether the message has fields that the descriptor does not know. */
  readonly drift: boolean;
  /** `gRPC`, `gRPC-Web` or `Connect`. */
  readonly protocol: string;
  /** `proto`, `json`, or what else the content type names. */
  readonly payload: string;
}

/** Rows in the order in which the messages passed. */
export interface MessagesPage {
  /** Messages of the call so far. */
  readonly total: number;
  /** Indices from (included) and to (excluded) of messages that were dropped to stay within the memory budget. */
  readonly gap: readonly [number, number] | null;
  /** How many messages had passed when the client finished sending. */
  readonly half_closed_after: number | null;
  /** The rows. */
  readonly messages: readonly MessageRow[];
}

/** One key and value to send. */
export interface MetadataEdit {
  /** The key, in lower case. */
  key: string;
  /** The value; base64 for a key that ends in `-bin`. A masked value stands for the recorded one. */
  value: string;
  /** Has no effect: the key decides. Accepted so that recorded items can be sent back as they are. */
  binary?: boolean;
}

/** One key and value of metadata. */
export interface MetadataItem {
  /** The key, in lower case. */
  readonly key: string;
  /** The value; base64 if `binary`, `••••••` if `masked`. */
  readonly value: string;
  /** Whether the value is bytes (a key that ends in `-bin`). */
  readonly binary: boolean;
  /** Whether the value is a secret that is not shown; `reveal=1` shows it. */
  readonly masked: boolean;
  /** A binary value as text, where it is printable text. */
  readonly decoded: string | null;
}

/** Where the descriptor of a call's method came from. All fields but `error` are null if there is none. */
export interface MethodSchema {
  /** The source, such as `reflection v1`. */
  readonly source: string | null;
  /** Its address or file. */
  readonly origin: string | null;
  /** When it was fetched. */
  readonly fetched_us: number | null;
  /** The full name of the request's message type. */
  readonly request_type: string | null;
  /** The full name of the response's message type. */
  readonly response_type: string | null;
  /** Why the descriptor is missing. */
  readonly error: string | null;
  /** Whether messages had fields that the descriptor does not know. */
  readonly drift: boolean;
  /** Schema files that cannot be used, and why. */
  readonly problems: readonly string[];
}

/** A value in the tree of a message. */
export interface Node {
  /** The field's name, the index in a list, the key in a map; in the wire view the field's number. */
  readonly key: string;
  /** The field's number. */
  readonly number: number | null;
  /** What the value is; `unknown` for a field that no descriptor describes. */
  readonly kind: "any" | "bytes" | "enum" | "list" | "map" | "message" | "scalar" | "unknown";
  /** The type's name; in the wire view the wire type and the best guess (`len: message`). */
  readonly type: string;
  /**
   * The value of a leaf: 64-bit integers as text, bytes in base64, enum values by name, well-known types such as
   * Timestamp in their canonical JSON.
   */
  readonly value: unknown;
  /** The fields, items or entries in it. */
  readonly children: readonly Node[];
  /** What is doubtful about it, such as `unknown field`. */
  readonly note: string;
  /** Children that were left out of a very large node. */
  readonly more: number;
  /** The number of an enum value. */
  readonly enum_number?: number;
  /** The oneof that the field belongs to. */
  readonly oneof?: string;
}

/** What a method's schema describes: services, and all types that their methods reach. */
export interface Outline {
  /** The method's own service first. */
  readonly services: readonly OutlineService[];
  /** Message types, those nearest to the method first. */
  readonly messages: readonly OutlineMessage[];
  /** Enum types, those nearest to the method first. */
  readonly enums: readonly OutlineEnum[];
  /** Types left out of a schema of more than 1,000. */
  readonly more: number;
}

/** An enum type. */
export interface OutlineEnum {
  /** Its full name. */
  readonly name: string;
  /** The file that defines it. */
  readonly file: string;
  /** Number and name of every value, aliases included. */
  readonly values: readonly (readonly [number, string])[];
  /** Whether it is deprecated. */
  readonly deprecated: boolean;
}

/** A field of a message. */
export interface OutlineField {
  /** Its number. */
  readonly number: number;
  /** Its name in the `.proto` file. */
  readonly name: string;
  /** Its type; of a map, `map<key, value>`. */
  readonly type: string;
  /** `optional` only where it is explicit. */
  readonly label: "" | "map" | "optional" | "repeated" | "required";
  /** The message or enum that the field, or the map's value, is of. */
  readonly refers: string | null;
  /** The oneof that it belongs to. */
  readonly oneof: string | null;
  /** Its default, where the file declares one. */
  readonly default: string;
  /** Whether it is deprecated. */
  readonly deprecated: boolean;
}

/** A message type. */
export interface OutlineMessage {
  /** Its full name. */
  readonly name: string;
  /** The file that defines it. */
  readonly file: string;
  /** Its fields, in the order of the file. */
  readonly fields: readonly OutlineField[];
  /** Whether it is deprecated. */
  readonly deprecated: boolean;
}

/** A method of a service. */
export interface OutlineMethod {
  /** Its name. */
  readonly name: string;
  /** The kind of streaming. */
  readonly kind: Kind;
  /** The full name of the request type. */
  readonly request: string;
  /** The full name of the response type. */
  readonly response: string;
  /** Whether it is deprecated. */
  readonly deprecated: boolean;
}

/** A service. */
export interface OutlineService {
  /** Its full name. */
  readonly name: string;
  /** The file that defines it. */
  readonly file: string;
  /** Its methods, in the order of the file. */
  readonly methods: readonly OutlineMethod[];
}

/** What is wrong, and what to do about it. */
export interface Problem {
  /** One sentence. */
  readonly message: string;
  /** What to do; may be empty. */
  readonly hint: string;
  /** Where a filter or a path is wrong: 0-based, in characters. */
  readonly column?: number;
  /** Which parameter, or which field of the body or of a message, is wrong. */
  readonly field?: string;
  /** Which message of a replay is wrong; null if it is none of them. */
  readonly message_index?: number | null;
  /** Of a call that is not there: whether it once was. */
  readonly evicted?: boolean;
  /** Of settings: what is wrong with them, a sentence each. */
  readonly problems?: readonly string[];
}

/** Whether Loom takes traffic. */
export interface Ready {
  /** `ready` with 200, `not ready` with 503. */
  readonly status: "not ready" | "ready";
  /** Why it is not ready: `starting` or `draining`. */
  readonly reason?: string;
}

/** What loading the settings again has changed. */
export interface Reloaded {
  /** The settings that changed, in the order of the reference; empty if none did. */
  readonly changes: readonly SettingChange[];
  /** What is doubtful about the settings, such as a certificate that expires soon. */
  readonly warnings: readonly string[];
}

/** What differs from the recorded call. What is left out stays as recorded. */
export interface ReplayRequest {
  /** Where to send the call: `host:port`. */
  target?: string | null;
  /** The whole request metadata. */
  metadata?: readonly MetadataEdit[] | null;
  /** The request messages in canonical protobuf JSON. */
  messages?: readonly unknown[] | null;
  /** The deadline in milliseconds after the start; 0 is none. */
  deadline_ms?: number | null;
  /**
   * `fast`: back to back; `recorded`: as long after the start as they were recorded; `turns`: each once as many
   * responses have come as had come before it.
   */
  timing?: ReplayTiming;
  /**
   * Of a call that rules or faults had altered: `went`, what went on to the target, or `came`, what the client had
   * sent. Null is `went`, or `came` if it is sent through the rules.
   */
  source?: ReplaySource | null;
  /** Let the rules, faults and breakpoints in force act on it. Without, it is sent untouched. */
  through_rules?: boolean;
}

/** The replay has begun. */
export interface ReplayStarted {
  /** The new call. */
  readonly id: number;
}

/** A rule or a fault to add, as a table of a file of rules: one of the two. */
export interface RuleEntry {
  /** The keys of a `[[rule]]`. */
  rule?: unknown;
  /** The keys of a `[[fault]]`. */
  fault?: unknown;
}

/** A rule or a fault that takes the place of one that was added. */
export interface RuleReplacement extends RuleEntry {
  /** The name of the one that is replaced; the new one may have another. */
  name: string;
}

/** One rule or fault. */
export interface RuleState {
  /** Its name. */
  readonly name: string;
  /** What it is. */
  readonly kind: "fault" | "rule";
  /** The filter of the calls that it acts on. */
  readonly match: string;
  /** What it does, in a sentence. */
  readonly description: string;
  /** Whether it is switched on. */
  readonly enabled: boolean;
  /** Whether it has turned itself off. */
  readonly expired: boolean;
  /** Calls that matched. */
  readonly matched: number;
  /** Those of them that it was to act on, by its percent, times, and so on. */
  readonly selected: number;
  /** Those of them on which it did something: an edit may find nothing to change, or fail. */
  readonly acted: number;
  /** Calls that it acts on now. */
  readonly active: number;
  /** Calls that it passed because too many were active. */
  readonly overflow: number;
  /** How often it could not be applied. */
  readonly failures: number;
  /** Why, the last time. */
  readonly last_error: string;
  /** What it comes from: a file of rules, the flag `--fault`, or this API, by which alone it can be changed. */
  readonly source: "api" | "file" | "flag";
  /** Of a file: its path; otherwise empty. */
  readonly path: string;
  /** Of a file: the line at which the rule begins; 0 where that is not known. */
  readonly line: number;
  /** Seconds until it turns itself off; null without a `for`, 0 once it has. */
  readonly expires_in_s: number | null;
}

/** Rules and faults as the text of a file. */
export interface RuleText {
  /** In JSON. */
  readonly json: string;
  /** In TOML; empty where a value is null, which TOML does not have. */
  readonly toml: string;
}

/** A rule or a fault to try on the calls in memory. */
export interface RuleTrial extends RuleEntry {
  /** At most this number of calls, the newest; 0 only checks the rule. */
  limit?: number;
  /** How many of the calls that it was to act on are answered, the newest. */
  shown?: number;
}

/** What a rule would have done. Nothing was sent. */
export interface RuleTrialResult {
  /** What the rule does, in a sentence. */
  readonly description: string;
  /** Calls that it was tried on. */
  readonly tried: number;
  /** Calls that it matches. */
  readonly matched: number;
  /** Calls on which it would have done something; a rule may choose some of those that match, and change nothing. */
  readonly acted: number;
  /** How often it could not be applied. */
  readonly failures: number;
  /** Why, the last time. */
  readonly last_error: string;
  /** Calls that were not tried: too large, or the time was over. */
  readonly skipped: number;
  /** The newest of those that it was to act on, newest first. */
  readonly calls: readonly TriedCall[];
}

/** Everything that acts on traffic. */
export interface Rules {
  /** The switch of all of them. */
  readonly enabled: boolean;
  /** How many may act on calls now. */
  readonly acting: number;
  /** What decides which calls a percent selects. */
  readonly seed: number;
  /** Why the files of rules as they are now cannot be used; the rules from before are in force. */
  readonly problem: string;
  /** Rules that never take effect, and why. */
  readonly warnings: readonly string[];
  /** The rules, in the order in which they act. */
  readonly rules: readonly RuleState[];
}

/** Switches all rules, or one. */
export interface RulesSwitch {
  /** Whether they shall act on calls that start from now on. */
  enabled: boolean;
  /** The rule; empty for all. */
  name?: string;
}

/** A `.proto` file as `text`, or a descriptor set as `base64`. */
export interface SchemaFile {
  /** A relative path, as imports write it. */
  name: string;
  /** The content of a `.proto` file. */
  text?: string | null;
  /** The content of any file, in base64. */
  base64?: string | null;
}

/** A place where descriptors come from. */
export interface SchemaSource {
  /** Its name, such as `reflection`. */
  readonly name: string;
  /** Files of it that cannot be used, and why. */
  readonly problems: readonly string[];
  /** Whether its files are being loaded for the first time: until then calls wait for their schema. */
  readonly loading: boolean;
}

/** All sources. */
export interface SchemaSources {
  /** In the order in which they are asked. */
  readonly sources: readonly SchemaSource[];
}

/** Files to decode with from now on. */
export interface SchemaUpload {
  /** They join those uploaded before, and replace those of the same name. */
  files: readonly SchemaFile[];
}

/** The last event of a search. */
export interface SearchDone {
  /** Calls searched. */
  readonly searched: number;
  /** Calls that match. */
  readonly found: number;
  /** What could not be read, a line each. */
  readonly problems: readonly string[];
}

/** The last event of a search that could not be finished. */
export interface SearchFailed {
  /** Why. */
  readonly error: Problem;
}

/** Further calls that match. */
export interface SearchFound {
  /** Their ids. */
  readonly ids: readonly number[];
  /** The calls. */
  readonly calls: readonly Summary[];
}

/** How far the search is. */
export interface SearchProgress {
  /** Calls searched. */
  readonly searched: number;
  /** Calls to search. */
  readonly of: number;
}

/** The session on disk. */
export interface SessionStatus {
  /** Its name. */
  readonly name: string;
  /** The database file. */
  readonly path: string;
  /** Calls written by this run. */
  readonly written: number;
  /** Events that the queue had no room for, or that cannot be stored. */
  readonly dropped: number;
  /** Their message bytes. */
  readonly dropped_bytes: number;
  /** Bytes in the queue. */
  readonly waiting_bytes: number;
  /** Size on disk. */
  readonly bytes: number;
  /** The size past which the oldest calls are pruned. */
  readonly budget: number;
  /** Calls pruned by this run. */
  readonly pruned: number;
  /** Why calls are not stored; empty while they are. */
  readonly error: string;
  /** What could not be read of earlier runs, and what of this one is lost. */
  readonly problems: readonly string[];
}

/** A setting that changed, or the content of a file that it names. */
export interface SettingChange {
  /** Its key in `loom.toml`, which is its flag without the dashes. */
  readonly key: string;
  /** When it takes effect. With `restart` it has not changed yet, and will when Loom is started again. */
  readonly effect: "at once" | "new connections" | "restart";
}

/** Where calls are written; null where they are not. */
export interface Sinks {
  /** The NDJSON log. */
  readonly log: LogStatus | null;
  /** The session on disk. */
  readonly session: SessionStatus | null;
}

/** Figures of this moment. Rates and percentiles are of the last second. */
export interface Stats {
  /** Identifies this launch of Loom. */
  readonly boot: string;
  /** The time at Loom. */
  readonly now_us: number;
  /** Calls that have ended since the launch. */
  readonly calls_total: number;
  /** Those that ended with a status other than OK. */
  readonly errors_total: number;
  /** Calls under way. */
  readonly in_flight: number;
  /** Calls held in memory. */
  readonly held: number;
  /** Memory that they are counted as. */
  readonly held_bytes: number;
  /** Ended calls with a smaller id are no longer in memory. */
  readonly oldest_id: number;
  /** Every call of this id and up is in memory; of those below, which may be in flight, some may not be. */
  readonly complete_from: number;
  /** Calls evicted from memory so far. */
  readonly evicted: number;
  /** Those that had not ended: too many calls were in flight, or they filled the memory budget alone. */
  readonly evicted_live: number;
  /** Messages dropped from calls in memory. */
  readonly dropped_messages: number;
  /** Their payload bytes. */
  readonly dropped_bytes: number;
  /** Events that could not be recorded; their calls were forwarded. */
  readonly recording_failures: number;
  /** Calls that ended. */
  readonly rate: number;
  /** Calls that ended with a status other than OK. */
  readonly error_rate: number;
  /** Median duration, without what breakpoints held; null if no call ended. */
  readonly p50_us: number | null;
  /** 95th percentile of the duration. */
  readonly p95_us: number | null;
  /** Clients of the feed. */
  readonly subscribers: number;
  /** Updates that were not sent to clients too slow for them. */
  readonly skipped: number;
  /** The connection to the target. */
  readonly target: TargetStatus;
  /** The circuit breaker; null if it is off. */
  readonly breaker: BreakerStatus | null;
  /** Where calls are written. */
  readonly sinks: Sinks;
}

/** Figures of this moment and of the seconds before. */
export interface StatsSeries extends Stats {
  /** By the second, oldest first: time in microseconds, calls that ended, errors among them, p50, p95, in flight. */
  readonly series: readonly (readonly [number, number, number, number | null, number | null, number])[];
}

/** The status of an ended call. */
export interface Status {
  /** The number on the wire. */
  readonly code: number;
  /** Its name, such as `NOT_FOUND`; `CODE_<n>` where the number has none. */
  readonly name: string;
  /** The status message; empty if there was none. */
  readonly message: string;
}

/** One error detail (a `google.protobuf.Any`), decoded. */
export interface StatusDetail {
  /** The full name of its message type. */
  readonly type: string;
  /** Its value in canonical protobuf JSON; null if it cannot be decoded. */
  readonly json: unknown;
  /** Why it cannot be decoded, or not wholly. */
  readonly error: string | null;
  /** The fields by number, of a detail whose type is not known. */
  readonly wire?: Node;
}

/** The content of `grpc-status-details-bin`. */
export interface StatusDetails {
  /** `google.rpc.Status`. */
  readonly type: string;
  /** The code in it, which should be that of the status. */
  readonly code: number;
  /** The message in it. */
  readonly message: string;
  /** The details, in order. */
  readonly details: readonly StatusDetail[];
  /** The bytes as they were sent. */
  readonly raw_base64: string;
  /** Why the bytes cannot be decoded. */
  readonly error: string | null;
}

/** A status. */
export interface StatusEdit {
  /** The code, by its name or number. */
  code: string | number;
  /** The status message. */
  message?: string;
  /** Error details, each with its `@type`. */
  details?: readonly unknown[];
}

/** Messages at evenly spaced indices of a stream, to draw it over time. */
export interface StreamSamples {
  /** Messages of the call so far. */
  readonly total: number;
  /** Index, time in microseconds, direction (0 request, 1 response), size in bytes. */
  readonly samples: readonly (readonly [number, number, 0 | 1, number])[];
}

/** A call as lists and the feed show it: no metadata, no payload. */
export interface Summary {
  /** The number of the call, from 1 upwards. */
  readonly id: number;
  /** Grows with every change of the call. */
  readonly version: number;
  /** The full method name: `/package.Service/Method`. */
  readonly method: string;
  /** The kind of streaming. */
  readonly kind: Kind;
  /** False while `kind` is inferred from the messages seen so far, true if the schema declares it. */
  readonly kind_known: boolean;
  /** While `live`, `duration_us`, `status` and `ended_by` are null. */
  readonly state: CallState;
  /** Time of the first byte of the request. */
  readonly started_us: number;
  /** Time from start to end. */
  readonly duration_us: number | null;
  /** The status that the call ended with. */
  readonly status: Status | null;
  /** Who ended the call. */
  readonly ended_by: EndedBy | null;
  /** Number of messages. */
  readonly messages: readonly [number, number];
  /** Payload bytes of all messages, as on the wire. */
  readonly bytes: readonly [number, number];
  /** The client's address, such as `ipv4:127.0.0.1:50412`. */
  readonly peer: string;
  /** The `:authority` that the client sent; for a replay the one that Loom sent. */
  readonly authority: string;
  /** Where the call was forwarded. */
  readonly target: string;
  /** `relay` or `wire`; `replay` for a call that Loom made itself. */
  readonly engine: string;
  /**
   * `edited`: a replay whose messages, metadata or deadline were edited; `truncated`: recorded messages were dropped;
   * `unobserved`: the wire engine could not follow the connection; `restored`: loaded from the session of an earlier
   * run, or imported; `modified`: a rule, a fault or a person altered what went on; `held`: a breakpoint held it.
   */
  readonly flags: readonly Flag[];
  /** The names of the rules that acted on it. */
  readonly rules: readonly string[];
  /** The names of the faults that acted on it. */
  readonly faults: readonly string[];
  /** The call that this one replays; 0 if that call was not imported along with it. */
  readonly replay_of: number | null;
  /** Time of the deadline. */
  readonly deadline_us: number | null;
}

/** The connection to the target. */
export interface TargetStatus {
  /** Its address. */
  readonly address: string;
  /** Whether it is reached over TLS. */
  readonly tls: boolean;
  /** Whether its certificate is not verified (`--insecure`). */
  readonly insecure: boolean;
  /** `idle` until the first call; `down` too while its name cannot be resolved. */
  readonly state: "connecting" | "down" | "idle" | "ready";
  /** Why it cannot be reached; empty otherwise. */
  readonly error: string;
}

/** When things happened in a call; null if they have not. */
export interface Timing {
  /** First byte of the request. */
  readonly started_us: number;
  /** Response headers. */
  readonly initial_us: number | null;
  /** First request message. */
  readonly first_request_us: number | null;
  /** Newest request message. */
  readonly last_request_us: number | null;
  /** First response message. */
  readonly first_response_us: number | null;
  /** Newest response message. */
  readonly last_response_us: number | null;
  /** The client finished sending. */
  readonly half_closed_us: number | null;
  /** How many messages, of both directions, had passed by then. */
  readonly half_closed_after: number | null;
  /** The status. */
  readonly ended_us: number | null;
  /** The deadline. */
  readonly deadline_us: number | null;
  /** From when to when breakpoints held items of it: in order, without overlaps. */
  readonly held: readonly (readonly [number, number])[];
}

/** A recorded call that a rule was to act on. */
export interface TriedCall {
  /** The call. */
  readonly id: number;
  /** Its method. */
  readonly method: string;
  /** What would have been done to it, at most 100 items; empty if it matches and nothing would have changed. */
  readonly items: readonly TriedItem[];
  /** How many items there are beyond those. */
  readonly more: number;
}

/** What a rule would have done at one point of a call. */
export interface TriedItem {
  /** Where in the call. */
  readonly point: Point;
  /** Of a message: its number among those of its direction, from 0. */
  readonly index: number;
  /** What it would have done, in words. */
  readonly effects: readonly string[];
  /** How many items would have gone on in the place of the one that came. */
  readonly count: number;
  /** How the first of them differs from what came; at most 100 differences. */
  readonly changes: readonly Change[];
  /** The status with which the call would have ended here. */
  readonly ends_with: Status | null;
  /** For how long the item would have been delayed. */
  readonly delay_us: number;
  /** Whether nothing would have gone on until the call's deadline. */
  readonly never: boolean;
}

/** A file that has been uploaded. */
export interface UploadedFile {
  /** Its name, a relative path. */
  readonly name: string;
  /** Its size. */
  readonly bytes: number;
}

/** The files that have been uploaded and not been removed. */
export interface Uploads {
  /** By name. */
  readonly files: readonly UploadedFile[];
  /** Full names of the services that they describe. */
  readonly services: readonly string[];
  /** Files that cannot be used, and why; the others are used. */
  readonly problems: readonly string[];
}
