/** Requests to the inspector's API. Every failure is an `ApiError` whose message can be shown as it is. */

import type { CallDetail, CallsPage, Diff, MessagesPage, MessageView, Outline, ReplayRequest, Stats } from "./types";

/** Characters of a message's JSON that are fetched before somebody asks for all of it. */
const BEGINNING = 65_536;

export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly hint = "",
    readonly column: number | null = null,
    readonly evicted = false,
    readonly field = "",
    readonly messageIndex: number | null = null,
  ) {
    super(message);
  }

  /** Loom was not reached, or is going down or coming up: asking again may help. */
  get mayPass(): boolean {
    return this.status === 0 || this.status >= 502;
  }
}

export interface Side {
  readonly call: number;
  readonly message: number | null;
}

interface ErrorBody {
  error?: { message?: string; hint?: string; field?: string; message_index?: number; column?: number };
  column?: number;
  evicted?: boolean;
}

async function failure(answer: Response): Promise<ApiError> {
  let body: ErrorBody = {};
  try {
    body = (await answer.json()) as ErrorBody;
  } catch {
    // Not JSON: a proxy in between, or Loom going down. The status line has to do.
  }
  const error = body.error ?? {};
  return new ApiError(
    error.message ?? `${answer.status} ${answer.statusText}`,
    answer.status,
    error.hint ?? "",
    body.column ?? error.column ?? null,
    body.evicted ?? false,
    error.field ?? "",
    error.message_index ?? null,
  );
}

async function request<T>(path: string, init: RequestInit = {}): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(path, { credentials: "same-origin", ...init });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError("Loom cannot be reached", 0, "Is it still running? The page reconnects by itself.");
  }
  if (!answer.ok) throw await failure(answer);
  return (await answer.json()) as T;
}

function query(values: Record<string, string | number | boolean | undefined>): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(values)) {
    if (value !== undefined && value !== false && value !== "") params.set(key, value === true ? "1" : String(value));
  }
  const text = params.toString();
  return text === "" ? "" : `?${text}`;
}

const json = (body: string): RequestInit => ({
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
  /** With the beginning of the JSON alone, if there is much of it, or with all. */
  message: (id: number, index: number, whole: boolean, signal?: AbortSignal) =>
    request<MessageView>(`/api/calls/${id}/messages/${index}${whole ? "" : `?text=${BEGINNING}`}`, { signal }),
  rail: (id: number, points: number) =>
    request<{ total: number; samples: [number, number, 0 | 1, number][] }>(`/api/calls/${id}/rail${query({ points })}`),
  messageRaw: (id: number, index: number) => `/api/calls/${id}/messages/${index}?raw=1`,
  grpcurl: (id: number, reveal = false) =>
    request<{ command: string; notes: string[] }>(`/api/calls/${id}/grpcurl${query({ reveal })}`),
  replay: (id: number, body: ReplayRequest) =>
    request<{ id: number }>(`/api/calls/${id}/replay`, json(JSON.stringify(body))),
  /** `messages` is JSON text of an array, put in as it is: parsing would lose digits of 64-bit integers. */
  replayText: (id: number, body: ReplayRequest, messages: string) =>
    request<{ id: number }>(
      `/api/calls/${id}/replay`,
      json(
        JSON.stringify(body).replace(
          /\}$/,
          () => `${Object.keys(body).length === 0 ? "" : ","}"messages":${messages}}`,
        ),
      ),
    ),
  /** Of two calls or, where both sides name one, of two messages. */
  diff: (left: Side, right: Side, ignore: string) => {
    const messages =
      left.message !== null && right.message !== null ? { message: left.message, other_message: right.message } : {};
    return request<Diff>(`/api/calls/${left.call}/diff/${right.call}${query({ ignore, ...messages })}`);
  },
  attach: (files: readonly { name: string; text?: string; base64?: string }[]) =>
    request<{ services: string[]; problems: string[] }>("/api/schema/protos", json(JSON.stringify({ files }))),
  clear: () => request<{ cleared: number }>("/api/calls", { method: "DELETE" }),
  stats: () => request<Stats>("/api/stats"),
  exportAddress: (format: string, q: string, ids: readonly number[], reveal = false) =>
    `/api/export${query({ format, q, ids: ids.join(","), reveal })}`,
  take: (file: Blob) =>
    request<{ imported: number; problems: string[] }>("/api/import", { method: "POST", body: file }),
};
