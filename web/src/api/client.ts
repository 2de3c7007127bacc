/** Requests to the inspector's API. Every failure is an `ApiError` whose message can be shown as it is. */

import type {
  Breakpoint,
  BreakpointRequest,
  Breakpoints,
  BreakpointsSwitch,
  CallDetail,
  CallsPage,
  Cleared,
  Diff,
  ErrorAnswer,
  GrpcurlCommand,
  HoldDecision,
  HoldDetail,
  Holds,
  ImportResult,
  StreamSamples,
  MessagesPage,
  MessageView,
  Outline,
  Problem,
  ReplayStarted,
  ReplayRequest,
  Rules,
  RulesSwitch,
  RuleText,
  RuleTrialResult,
  SchemaFile,
  Uploads,
  StatsSeries,
} from "./types";

/** How many characters of a message's JSON are fetched at first; the rest on request. */
const PREVIEW_CHARS = 65_536;

export interface ApiErrorDetails {
  readonly hint?: string;
  /** 0-based, in the text that was sent. */
  readonly column?: number | null;
  readonly evicted?: boolean;
  /** The field of the request that is invalid. */
  readonly field?: string;
  readonly messageIndex?: number | null;
}

/** A failed request. `status` is the HTTP status, or 0 without a response. */
export class ApiError extends Error {
  readonly hint: string;
  readonly column: number | null;
  readonly evicted: boolean;
  readonly field: string;
  readonly messageIndex: number | null;

  constructor(
    message: string,
    readonly status: number,
    { hint = "", column = null, evicted = false, field = "", messageIndex = null }: ApiErrorDetails = {},
  ) {
    super(message);
    this.hint = hint;
    this.column = column;
    this.evicted = evicted;
    this.field = field;
    this.messageIndex = messageIndex;
  }

  /** Whether a retry may succeed: Loom did not respond, or is starting or stopping. */
  get isTransient(): boolean {
    return this.status === 0 || this.status >= 502;
  }
}

/** One side of a comparison: a call, or one of its messages. */
export interface DiffSide {
  readonly call: number;
  readonly message: number | null;
}

async function toApiError(response: Response): Promise<ApiError> {
  let error: Problem;
  try {
    ({ error } = (await response.json()) as ErrorAnswer);
  } catch {
    // Not JSON, for example from a proxy in between: use the status line.
    error = { message: `${response.status} ${response.statusText}`, hint: "" };
  }
  return new ApiError(error.message, response.status, {
    hint: error.hint,
    column: error.column,
    evicted: error.evicted,
    field: error.field,
    messageIndex: error.message_index,
  });
}

async function request<T>(path: string, init: RequestInit = {}): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...init });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError("Can't connect to Loom", 0, { hint: "Is it still running? The page reconnects automatically." });
  }
  if (!response.ok) throw await toApiError(response);
  return (await response.json()) as T;
}

function query(values: Record<string, string | number | boolean | undefined>): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(values)) {
    if (value !== undefined && value !== false && value !== "") params.set(key, value === true ? "1" : String(value));
  }
  const text = params.toString();
  return text === "" ? "" : `?${text}`;
}

const jsonPost = (body: string): RequestInit => ({
  method: "POST",
  headers: { "content-type": "application/json" },
  body,
});

export const api = {
  calls: (limit: number, before?: number, signal?: AbortSignal) =>
    request<CallsPage>(`/api/calls${query({ limit, before, memory: 1 })}`, { signal }),
  call: (id: number, reveal = false, signal?: AbortSignal) =>
    request<CallDetail>(`/api/calls/${id}${query({ reveal })}`, { signal }),
  schema: (id: number, signal?: AbortSignal) => request<Outline>(`/api/calls/${id}/schema`, { signal }),
  messages: (id: number, from: number, limit: number, signal?: AbortSignal) =>
    request<MessagesPage>(`/api/calls/${id}/messages${query({ from, limit })}`, { signal }),
  /** With the first `PREVIEW_CHARS` characters of the JSON, or all of it if `full`. */
  message: (id: number, index: number, full: boolean, signal?: AbortSignal) =>
    request<MessageView>(`/api/calls/${id}/messages/${index}${full ? "" : `?text=${PREVIEW_CHARS}`}`, { signal }),
  /** A message as it came, before something altered it. */
  original: (id: number, number: number) =>
    request<MessageView>(`/api/calls/${id}/originals/${number}?text=${PREVIEW_CHARS}`),
  messageSamples: (id: number, points: number) =>
    request<StreamSamples>(`/api/calls/${id}/samples${query({ points })}`),
  rawMessageUrl: (id: number, index: number) => `/api/calls/${id}/messages/${index}?raw=1`,
  grpcurl: (id: number, reveal = false) => request<GrpcurlCommand>(`/api/calls/${id}/grpcurl${query({ reveal })}`),
  replay: (id: number, body: ReplayRequest) =>
    request<ReplayStarted>(`/api/calls/${id}/replay`, jsonPost(JSON.stringify(body))),
  /** `messages` is the JSON text of an array, inserted unparsed: parsing would round 64-bit integers. */
  replayText: (id: number, body: ReplayRequest, messages: string) =>
    request<ReplayStarted>(
      `/api/calls/${id}/replay`,
      jsonPost(
        JSON.stringify(body).replace(
          /\}$/,
          () => `${Object.keys(body).length === 0 ? "" : ","}"messages":${messages}}`,
        ),
      ),
    ),
  /** Compares two calls or, if both sides have a message, two messages. */
  diff: (left: DiffSide, right: DiffSide, ignore: string) => {
    const messages =
      left.message !== null && right.message !== null ? { message: left.message, other_message: right.message } : {};
    return request<Diff>(`/api/calls/${left.call}/diff/${right.call}${query({ ignore, ...messages })}`);
  },
  uploadSchema: (files: readonly SchemaFile[]) =>
    request<Uploads>("/api/schema/protos", jsonPost(JSON.stringify({ files }))),
  uploads: (signal?: AbortSignal) => request<Uploads>("/api/schema/protos", { signal }),
  /** Removes one uploaded file, or all. */
  removeUploads: (name?: string) => request<Uploads>(`/api/schema/protos${query({ name })}`, { method: "DELETE" }),
  clear: () => request<Cleared>("/api/calls", { method: "DELETE" }),
  stats: () => request<StatsSeries>("/api/stats"),
  rules: () => request<Rules>("/api/rules"),
  switchRules: (body: RulesSwitch) => request<Rules>("/api/rules", jsonPost(JSON.stringify(body))),
  /** One rule, or all that were added, as it is written in a file. */
  ruleText: (name?: string) => request<RuleText>(`/api/rules/tables${query({ name })}`),
  /** `table` is the JSON text of the rule, sent unparsed: parsing would round 64-bit integers. */
  addRule: (kind: "rule" | "fault", table: string) =>
    request<Rules>("/api/rules/tables", jsonPost(`{"${kind}":${table}}`)),
  replaceRule: (name: string, kind: "rule" | "fault", table: string) =>
    request<Rules>("/api/rules/tables", {
      ...jsonPost(`{"name":${JSON.stringify(name)},"${kind}":${table}}`),
      method: "PUT",
    }),
  /** Removes one rule that was added, or all of them. */
  removeRules: (name?: string) => request<Rules>(`/api/rules/tables${query({ name })}`, { method: "DELETE" }),
  /** What a rule would have done to the calls in memory. */
  tryRule: (kind: "rule" | "fault", table: string, signal?: AbortSignal) =>
    request<RuleTrialResult>("/api/rules/dry-run", { ...jsonPost(`{"${kind}":${table}}`), signal }),
  breakpoints: () => request<Breakpoints>("/api/breakpoints"),
  /** Set a breakpoint, in the place of one of the same name. */
  setBreakpoint: (body: BreakpointRequest) => request<Breakpoint>("/api/breakpoints", jsonPost(JSON.stringify(body))),
  switchBreakpoints: (body: BreakpointsSwitch) =>
    request<Breakpoints>("/api/breakpoints/switch", jsonPost(JSON.stringify(body))),
  /** Removes one breakpoint, or all. */
  removeBreakpoints: (name?: string) =>
    request<Breakpoints>(`/api/breakpoints${query({ name })}`, { method: "DELETE" }),
  hold: (id: number, signal?: AbortSignal) => request<HoldDetail>(`/api/holds/${id}`, { signal }),
  /** `json` is the text of the edited message, sent unparsed: parsing would round 64-bit integers. */
  decideHold: (id: number, body: HoldDecision, json: string | null) => {
    const text = JSON.stringify(body);
    return request<Holds>(
      `/api/holds/${id}`,
      jsonPost(json === null ? text : `${text.slice(0, -1)}${text === "{}" ? "" : ","}"json":${json}}`),
    );
  },
  resumeHolds: () => request<Holds>("/api/holds/resume", { method: "POST" }),
  exportUrl: (format: string, q: string, ids: readonly number[], reveal = false) =>
    `/api/export${query({ format, q, ids: ids.join(","), reveal })}`,
  importFile: (file: Blob) => request<ImportResult>("/api/import", { method: "POST", body: file }),
};
