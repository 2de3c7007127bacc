/** The JSON of docs/api.md, as types. `_us` are microseconds; pairs are [client → backend, backend → client]. */

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

export interface Schema {
  readonly source: string | null;
  readonly origin: string | null;
  readonly fetched_us: number | null;
  readonly request_type: string | null;
  readonly response_type: string | null;
  readonly error: string | null;
  readonly drift: boolean | null;
  /** Files that cannot be used, and why. */
  readonly problems?: readonly string[];
}

export interface OutlinedField {
  readonly number: number;
  readonly name: string;
  readonly type: string;
  readonly label: "" | "optional" | "repeated" | "required" | "map";
  /** The message or enum that the field, or the map's value, is of. */
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

/** What a method's schema says: its service first, the types nearest to it first. */
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
  readonly schema: Schema | null;
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
  /** Indices `[from, to)` that were dropped to stay within the budget. */
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
  /** Null where there is no JSON. Of a large message only the beginning, where `json_cut`; `json` is null then. */
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
  /** `/api/stats` only: the last minutes by the second. */
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
    /** `error`: why calls are not kept; `problems`: what of earlier runs could not be read. */
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
  /** The file that `loom open` shows, and what of it could not be read. */
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
  /** Changes beyond those. */
  readonly more: number;
}

export interface ReplayRequest {
  target?: string;
  metadata?: { key: string; value: string; binary: boolean }[];
  messages?: unknown[];
  deadline_ms?: number;
  timing?: "fast" | "recorded" | "turns";
}
