/** What each term asks of a call. Null: only the server can tell (metadata and bodies are not in a summary). */

import type { Summary } from "../api/types";
import { CODES } from "../format/status";
import { FilterError } from "./error";
import type { Value } from "./scanner";
import { checkText, choice, contains, COUNTS, DURATIONS, equals, type HoldsText, number, SIZES } from "./values";

export type Question = (summary: Summary) => boolean | null;

export interface Term {
  readonly ask: (value: Value) => Question;
  readonly example: string;
  readonly means: string;
  /** What may follow, for completion. */
  readonly values?: readonly string[];
}

const FLAGS = ["live", "ended", "error", "replayed", "truncated", "unobserved", "restored"] as const;
const KINDS = ["unary", "server", "client", "bidi"] as const;
const ENDED = ["backend", "client", "deadline", "loom"] as const;
const ENGINES = ["relay", "wire", "replay"] as const;

const afterLastSlash = (path: string) => path.slice(path.lastIndexOf("/") + 1);

function anywhere(value: Value): Question {
  const found = contains(value);
  return ({ method, status }) => found(method) || (status !== null && (found(status.name) || found(status.message)));
}

function method(value: Value): Question {
  const found = equals(value);
  if (value.form === "regex" || value.text.startsWith("/")) return (call) => found(call.method);
  if (value.text.includes("/")) return (call) => found(call.method.replace(/^\/+/, ""));
  return (call) => found(afterLastSlash(call.method));
}

function service(value: Value): Question {
  const found = equals(value);
  return (call) => {
    const path = call.method.replace(/^\/+/, "");
    const name = path.slice(0, Math.max(0, path.lastIndexOf("/")));
    return found(name) || (value.form !== "regex" && found(name.slice(name.lastIndexOf(".") + 1)));
  };
}

function status(value: Value): Question {
  const name = value.text
    .toUpperCase()
    .replaceAll("-", "_")
    .replace(/^CODE_/, "");
  const known = CODES.indexOf(name);
  if (value.form === "regex" || (known < 0 && !/^\d+$/.test(name))) {
    throw new FilterError(`“${value.text}” is no status`, value.column, "a name such as NOT_FOUND, or its number");
  }
  const code = known < 0 ? Number(name) : known;
  return (call) => call.status !== null && call.status.code === code;
}

function is(value: Value): Question {
  const wanted = choice(value, FLAGS);
  if (wanted === "live" || wanted === "ended") return (call) => call.state === wanted;
  if (wanted === "error") return (call) => call.status !== null && call.status.code !== 0;
  return (call) => call.flags.includes(wanted);
}

const text =
  (of: (call: Summary) => string | null) =>
  (value: Value): Question => {
    const holds: HoldsText = contains(value);
    return (call) => {
      const found = of(call);
      return found !== null && holds(found);
    };
  };

const amount =
  (of: (call: Summary) => number | null, units: typeof SIZES, unit: string, example: string) =>
  (value: Value): Question => {
    const holds = number(value, units, unit, example);
    return (call) => {
      const found = of(call);
      return found !== null && holds(found);
    };
  };

const oneOf =
  <T extends string>(of: (call: Summary) => string | null, allowed: readonly T[]) =>
  (value: Value): Question => {
    const wanted = choice(value, allowed);
    return (call) => of(call) === wanted;
  };

/** `meta:` and `body:` are checked here and answered by `GET /api/search`. */
function onServer(value: Value): Question {
  checkText(value);
  return () => null;
}

const term = (ask: Term["ask"], example: string, means: string, values?: readonly string[]): Term => ({
  ask,
  example,
  means,
  values,
});

const sized = (of: (call: Summary) => number, example: string) => amount(of, SIZES, "b", example);
const counted = (of: (call: Summary) => number, example: string) => amount(of, COUNTS, "", example);

export const TERMS: ReadonlyMap<string, Term> = new Map([
  ["", term(anywhere, "GetOrder", "the method's path, the status or its message holds this")],
  ["method", term(method, "method:Get*", "the method's name; with a slash, its whole path")],
  ["service", term(service, "service:acme.*", "the service, with or without its package")],
  ["status", term(status, "status:NOT_FOUND,INTERNAL", "ended with this code", CODES)],
  [
    "message",
    term(
      text((c) => c.status?.message ?? null),
      'message:"no such"',
      "the status message holds this",
    ),
  ],
  [
    "kind",
    term(
      oneOf((c) => c.kind, KINDS),
      "kind:bidi",
      "the stream type",
      KINDS,
    ),
  ],
  [
    "duration",
    term(
      amount((c) => c.duration_us, DURATIONS, "ms", "duration:>250ms"),
      "duration:>250ms",
      "took this long",
    ),
  ],
  [
    "bytes",
    term(
      sized((c) => c.bytes[0] + c.bytes[1], "bytes:>1MB"),
      "bytes:>1MB",
      "size of all messages",
    ),
  ],
  [
    "bytes.up",
    term(
      sized((c) => c.bytes[0], "bytes.up:>1MB"),
      "bytes.up:>64KiB",
      "client to backend only",
    ),
  ],
  [
    "bytes.down",
    term(
      sized((c) => c.bytes[1], "bytes.down:0"),
      "bytes.down:0",
      "backend to client only",
    ),
  ],
  [
    "messages",
    term(
      counted((c) => c.messages[0] + c.messages[1], "messages:>=10"),
      "messages:>=10",
      "how many messages",
    ),
  ],
  [
    "messages.up",
    term(
      counted((c) => c.messages[0], "messages.up:>1"),
      "messages.up:>1",
      "client to backend only",
    ),
  ],
  [
    "messages.down",
    term(
      counted((c) => c.messages[1], "messages.down:0"),
      "messages.down:0",
      "backend to client only",
    ),
  ],
  [
    "id",
    term(
      counted((c) => c.id, "id:>=100"),
      "id:>=100",
      "the call's number",
    ),
  ],
  [
    "peer",
    term(
      text((c) => c.peer),
      "peer:127.0.0.1",
      "the client's address holds this",
    ),
  ],
  [
    "authority",
    term(
      text((c) => c.authority),
      "authority:shop.example",
      "the :authority holds this",
    ),
  ],
  [
    "target",
    term(
      text((c) => c.target),
      "target:50051",
      "where it went holds this",
    ),
  ],
  [
    "engine",
    term(
      oneOf((c) => c.engine, ENGINES),
      "engine:wire",
      "which engine forwarded it",
      ENGINES,
    ),
  ],
  [
    "ended",
    term(
      oneOf((c) => c.ended_by, ENDED),
      "ended:client",
      "who ended it",
      ENDED,
    ),
  ],
  ["is", term(is, "is:live,error", "state and flags", FLAGS)],
  ["meta", term(onServer, "meta:x-tenant=42", "request, initial or trailing metadata")],
  ["body", term(onServer, 'body:"alice"', "a field of a message; body:path=value for one field")],
]);
