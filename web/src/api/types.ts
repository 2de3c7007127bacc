/**
 * The JSON of the API (docs/api.md) as types: every response, request body and feed event.
 *
 * Fields that end in `_us` are microseconds; pairs are [client → backend, backend → client].
 */

export type Kind = "unary" | "server" | "client" | "bidi";
export type EndedBy = "backend" | "client" | "deadline" | "loom";
export type Flag = "replayed" | "truncated" | "unobserved" | "restored";
export type Pair = readonly [number, number];

export interface Status {
  readonly code: number;
  readonly name: string;
  readonly message: string;
}

export interface Summary {
  readonly id: number;
  readonly version: number;
  readonly method: string;
  readonly kind: Kind;
  readonly kind_known: boolean;
  readonly state: "live" | "ended";
  readonly started_us: number;
  readonly duration_us: number | null;
  readonly status: Status | null;
  readonly ended_by: EndedBy | null;
  readonly messages: Pair;
  readonly bytes: Pair;
  readonly peer: string;
  readonly authority: string;
  readonly target: string;
  readonly engine: string;
  readonly flags: readonly Flag[];
  readonly replay_of: number | null;
  readonly deadline_us: number | null;
}

export interface MetadataItem {
  readonly key: string;
  readonly value: string;
  readonly binary: boolean;
  readonly masked: boolean;
  readonly decoded: unknown;
}

export interface Timing {
  readonly started_us: number;
  readonly initial_us: number | null;
  readonly first_request_us: number | null;
  readonly last_request_us: number | null;
  readonly first_response_us: number | null;
  readonly last_response_us: number | null;
  readonly half_closed_us: number | null;
  readonly half_closed_after: number | null;
  readonly ended_us: number | null;
  readonly deadline_us: number | null;
}

export interface StatusDetail {
  readonly type: string;
  readonly json: unknown;
  readonly error: string | null;
}

export interface StatusDetails {
  readonly type: string;
  readonly details: readonly StatusDetail[];
  readonly raw_base64: string;
  readonly error: string | null;
}

export interface MethodSchema {
  readonly source: string | null;
  readonly origin: string | null;
  readonly fetched_us: number | null;
  readonly request_type: string | null;
  readonly response_type: string | null;
  readonly error: string | null;
  readonly drift: boolean | null;
  /** Files that could not be loaded, and why. */
  readonly problems?: readonly string[];
}

export interface OutlinedField {
  readonly number: number;
  readonly name: string;
  readonly type: string;
  readonly label: "" | "optional" | "repeated" | "required" | "map";
  /** Full name of the field's (or map value's) message or enum type; null for scalars. */
  readonly refers: string | null;
  readonly oneof: string | null;
  readonly default: string;
  readonly deprecated: boolean;
}

export interface OutlinedMessage {
  readonly name: string;
  readonly file: string;
  readonly fields: readonly OutlinedField[];
  readonly deprecated: boolean;
}

export interface OutlinedEnum {
  readonly name: string;
  readonly file: string;
  readonly values: readonly (readonly [number: number, name: string])[];
  readonly deprecated: boolean;
}

export interface OutlinedService {
  readonly name: string;
  readonly file: string;
  readonly methods: readonly {
    readonly name: string;
    readonly kind: Kind;
    readonly request: string;
    readonly response: string;
    readonly deprecated: boolean;
  }[];
}

/** A method's schema: its service first, then types in order of distance from it. */
export interface Outline {
  readonly services: readonly OutlinedService[];
  readonly messages: readonly OutlinedMessage[];
  readonly enums: readonly OutlinedEnum[];
  readonly more: number;
}

export interface CallDetail extends Summary {
  readonly metadata: {
    readonly request: readonly MetadataItem[];
    readonly initial: readonly MetadataItem[] | null;
    readonly trailing: readonly MetadataItem[] | null;
  };
  readonly timing: Timing;
  readonly status_details: StatusDetails | null;
  readonly schema: MethodSchema | null;
  readonly note: string;
  readonly wire: Readonly<Record<string, string | number>>;
  readonly dropped: { readonly messages: number; readonly bytes: number };
  readonly replays: readonly number[];
  readonly content_type: string;
}

export type Direction = "request" | "response";

export interface MessageRow {
  readonly index: number;
  readonly direction: Direction;
  readonly time_us: number;
  readonly size: number;
  readonly compressed: boolean;
  readonly encoding: string;
  readonly dropped: boolean;
  readonly type: string | null;
  readonly preview: string;
  readonly error: string | null;
}

export interface MessagesPage {
  readonly total: number;
  /** Indices `[from, to)` of messages dropped to stay within the history's size limit. */
  readonly gap?: readonly [number, number] | null;
  readonly messages: readonly MessageRow[];
}

export type NodeKind = "message" | "list" | "map" | "scalar" | "enum" | "bytes" | "any" | "unknown";

export interface Node {
  readonly key: string | number;
  readonly number?: number | null;
  readonly kind: NodeKind;
  readonly type?: string | null;
  readonly value?: unknown;
  readonly enum_number?: number | null;
  readonly oneof?: string | null;
  readonly children?: readonly Node[] | null;
  readonly note?: string | null;
  readonly more?: number;
}

export interface MessageView extends MessageRow {
  readonly json: unknown;
  /** Null if there is no JSON; only its beginning if `json_cut`, and then `json` is null. */
  readonly json_text: string | null;
  readonly json_cut?: boolean;
  readonly tree: Node | null;
  readonly wire: Node | null;
  readonly hex: string;
  readonly data_base64: string;
  readonly source: string | null;
  readonly schema_error?: string | null;
  readonly drift: boolean;
  readonly truncated: number;
}

export interface Stats {
  readonly boot: string;
  readonly now_us: number;
  readonly calls_total: number;
  readonly errors_total: number;
  readonly in_flight: number;
  readonly held: number;
  readonly held_bytes: number;
  readonly evicted: number;
  readonly dropped_messages: number;
  readonly dropped_bytes: number;
  readonly rate: number;
  readonly error_rate: number;
  readonly p50_us: number | null;
  readonly p95_us: number | null;
  readonly subscribers: number;
  readonly oldest_id?: number;
  /** `/api/stats` only: the last minutes, one entry per second. */
  readonly series?: readonly [
    at_us: number,
    calls: number,
    errors: number,
    p50_us: number | null,
    p95_us: number | null,
    in_flight: number,
  ][];
  readonly target: {
    readonly address: string;
    readonly tls: boolean;
    readonly state: "idle" | "connecting" | "ready" | "down";
    readonly error: string;
  };
  readonly breaker: { readonly state: string; readonly failures: number; readonly retry_in_ms: number | null } | null;
  readonly sinks?: {
    /** `error`: why calls are not saved; `problems`: what could not be read from earlier runs. */
    readonly session?: { readonly error: string; readonly problems?: readonly string[] } | null;
  };
}

export interface Hello {
  readonly boot: string;
  readonly seq: number;
  readonly version: string;
  readonly listen: string;
  readonly ui: string;
  readonly target: string;
  readonly engine: string;
  readonly oldest_id: number;
  readonly resumed: boolean;
  readonly stats: Stats;
  /** The file that `loom open` shows, and what could not be read from it. */
  readonly read_only?: string;
  readonly problems?: readonly string[];
}

export interface CallsPage {
  readonly calls: readonly Summary[];
  readonly total: number;
  readonly oldest_id: number | null;
  readonly evicted: number;
  readonly boot: string;
  readonly seq: number;
  readonly more: boolean;
}

export interface Change {
  readonly where: string;
  readonly path: string;
  readonly kind: "changed" | "added" | "removed";
  readonly left?: unknown;
  readonly right?: unknown;
}

export interface Diff {
  readonly equal: boolean;
  readonly changes: readonly Change[];
  /** How many more changes there are. */
  readonly more: number;
}

export interface ReplayRequest {
  target?: string;
  metadata?: { key: string; value: string; binary: boolean }[];
  messages?: unknown[];
  deadline_ms?: number;
  timing?: "fast" | "recorded" | "turns";
}

export interface ReplayStarted {
  /** The new call. */
  readonly id: number;
}

export interface GrpcurlCommand {
  /** Empty if the call cannot be written as a command; `notes` say why. */
  readonly command: string;
  readonly notes: readonly string[];
}

/** Messages of a stream for its minimap; direction 0 is client → backend. */
export interface StreamSamples {
  readonly total: number;
  readonly samples: readonly (readonly [index: number, time_us: number, direction: 0 | 1, size: number])[];
}

/** A .proto file as text, or a descriptor set as base64. */
export interface SchemaFile {
  readonly name: string;
  readonly text?: string;
  readonly base64?: string;
}

export interface UploadResult {
  readonly services: readonly string[];
  readonly problems: readonly string[];
}

export interface Cleared {
  readonly cleared: number;
}

export interface ImportResult {
  readonly imported: number;
  readonly problems: readonly string[];
}

/** Feed event `gap`: updates that were skipped; null if the server cannot tell how many. */
export interface Gap {
  readonly missed: number | null;
}

/** Search event `progress`. */
export interface SearchProgress {
  readonly searched: number;
  readonly of: number;
}

/** Search event `found`. */
export interface SearchFound {
  readonly calls: readonly Summary[];
}

/** Search event `done`. */
export interface SearchDone {
  readonly problems?: readonly string[];
}

/** Body of every failed response, and data of the search event `failed`. */
export interface ErrorAnswer {
  readonly error?: {
    readonly message?: string;
    readonly hint?: string;
    readonly field?: string;
    readonly message_index?: number;
    readonly column?: number;
  };
  readonly column?: number;
  readonly evicted?: boolean;
}
