/** The terms of the filter language, each compiled to a predicate over call summaries. */

import type { Summary } from "../api/types";
import { CODES } from "../format/status";
import { FilterError } from "./filter-error";
import type { Value } from "./scanner";
import {
  validateText,
  parseChoice,
  contains,
  COUNTS,
  DURATIONS,
  equals,
  type TextPredicate,
  parseComparison,
  SIZES,
} from "./values";

/** Null: only the server can tell, because summaries carry neither metadata nor bodies. */
export type Predicate = (summary: Summary) => boolean | null;

export interface Term {
  readonly compile: (value: Value) => Predicate;
  readonly example: string;
  readonly description: string;
  /** Allowed values, for completion. */
  readonly values?: readonly string[];
}

const FLAGS = [
  "live",
  "ended",
  "error",
  "replayed",
  "edited",
  "truncated",
  "unobserved",
  "restored",
  "modified",
  "held",
] as const;
const KINDS = ["unary", "server", "client", "bidi"] as const;
const ENDED = ["backend", "client", "deadline", "loom"] as const;
const ENGINES = ["relay", "wire", "replay"] as const;

const afterLastSlash = (path: string) => path.slice(path.lastIndexOf("/") + 1);

function anywhere(value: Value): Predicate {
  const matches = contains(value);
  return ({ method, status }) =>
    matches(method) || (status !== null && (matches(status.name) || matches(status.message)));
}

function method(value: Value): Predicate {
  const matches = equals(value);
  if (value.form === "regex" || value.text.startsWith("/")) return (call) => matches(call.method);
  if (value.text.includes("/")) return (call) => matches(call.method.replace(/^\/+/, ""));
  return (call) => matches(afterLastSlash(call.method));
}

function service(value: Value): Predicate {
  const matches = equals(value);
  return (call) => {
    const path = call.method.replace(/^\/+/, "");
    const name = path.slice(0, Math.max(0, path.lastIndexOf("/")));
    return matches(name) || (value.form !== "regex" && matches(name.slice(name.lastIndexOf(".") + 1)));
  };
}

function status(value: Value): Predicate {
  const name = value.text
    .toUpperCase()
    .replaceAll("-", "_")
    .replace(/^CODE_/, "");
  const index = CODES.indexOf(name);
  if (value.form === "regex" || (index < 0 && !/^\d+$/.test(name))) {
    throw new FilterError(
      `Unknown status "${value.text}"`,
      value.column,
      "Expected a name such as NOT_FOUND, or a number",
    );
  }
  const code = index < 0 ? Number(name) : index;
  return (call) => call.status !== null && call.status.code === code;
}

function is(value: Value): Predicate {
  const choice = parseChoice(value, FLAGS);
  if (choice === "live" || choice === "ended") return (call) => call.state === choice;
  if (choice === "error") return (call) => call.status !== null && call.status.code !== 0;
  return (call) => call.flags.includes(choice);
}

const text =
  (of: (call: Summary) => string | null) =>
  (value: Value): Predicate => {
    const matches: TextPredicate = contains(value);
    return (call) => {
      const operand = of(call);
      return operand !== null && matches(operand);
    };
  };

const anyName =
  (of: (call: Summary) => readonly string[]) =>
  (value: Value): Predicate => {
    const matches = equals(value);
    return (call) => of(call).some((name) => matches(name));
  };

const amount =
  (of: (call: Summary) => number | null, units: typeof SIZES, unit: string, example: string) =>
  (value: Value): Predicate => {
    const matches = parseComparison(value, units, unit, example);
    return (call) => {
      const operand = of(call);
      return operand !== null && matches(operand);
    };
  };

const oneOf =
  <T extends string>(of: (call: Summary) => string | null, allowed: readonly T[]) =>
  (value: Value): Predicate => {
    const choice = parseChoice(value, allowed);
    return (call) => of(call) === choice;
  };

/** Check the syntax of a `meta:` or `body:` term, which the server evaluates. */
function onServer(value: Value): Predicate {
  validateText(value);
  return () => null;
}

const term = (compile: Term["compile"], example: string, description: string, values?: readonly string[]): Term => ({
  compile,
  example,
  description,
  values,
});

const sized = (of: (call: Summary) => number, example: string) => amount(of, SIZES, "b", example);
const counted = (of: (call: Summary) => number, example: string) => amount(of, COUNTS, "", example);

export const TERMS: ReadonlyMap<string, Term> = new Map([
  ["", term(anywhere, "GetOrder", "text in the method path, status name or status message")],
  ["method", term(method, "method:Get*", "method name; with a slash, the whole path")],
  ["service", term(service, "service:acme.*", "service name, with or without package")],
  ["status", term(status, "status:NOT_FOUND,INTERNAL", "status code", CODES)],
  [
    "message",
    term(
      text((c) => c.status?.message ?? null),
      'message:"no such"',
      "text in the status message",
    ),
  ],
  [
    "kind",
    term(
      oneOf((c) => c.kind, KINDS),
      "kind:bidi",
      "stream type",
      KINDS,
    ),
  ],
  [
    "duration",
    term(
      amount((c) => c.duration_us, DURATIONS, "ms", "duration:>250ms"),
      "duration:>250ms",
      "duration of the call",
    ),
  ],
  [
    "bytes",
    term(
      sized((c) => c.bytes[0] + c.bytes[1], "bytes:>1MB"),
      "bytes:>1MB",
      "total size of messages",
    ),
  ],
  [
    "bytes.up",
    term(
      sized((c) => c.bytes[0], "bytes.up:>1MB"),
      "bytes.up:>64KiB",
      "client to backend",
    ),
  ],
  [
    "bytes.down",
    term(
      sized((c) => c.bytes[1], "bytes.down:0"),
      "bytes.down:0",
      "backend to client",
    ),
  ],
  [
    "messages",
    term(
      counted((c) => c.messages[0] + c.messages[1], "messages:>=10"),
      "messages:>=10",
      "number of messages",
    ),
  ],
  [
    "messages.up",
    term(
      counted((c) => c.messages[0], "messages.up:>1"),
      "messages.up:>1",
      "client to backend",
    ),
  ],
  [
    "messages.down",
    term(
      counted((c) => c.messages[1], "messages.down:0"),
      "messages.down:0",
      "backend to client",
    ),
  ],
  [
    "id",
    term(
      counted((c) => c.id, "id:>=100"),
      "id:>=100",
      "number of the call",
    ),
  ],
  [
    "peer",
    term(
      text((c) => c.peer),
      "peer:127.0.0.1",
      "text in the client's address",
    ),
  ],
  [
    "authority",
    term(
      text((c) => c.authority),
      "authority:shop.example",
      "text in :authority",
    ),
  ],
  [
    "target",
    term(
      text((c) => c.target),
      "target:50051",
      "text in the target address",
    ),
  ],
  [
    "engine",
    term(
      oneOf((c) => c.engine, ENGINES),
      "engine:wire",
      "engine that forwarded the call",
      ENGINES,
    ),
  ],
  [
    "ended",
    term(
      oneOf((c) => c.ended_by, ENDED),
      "ended:client",
      "who ended the call",
      ENDED,
    ),
  ],
  [
    "rule",
    term(
      anyName((c) => c.rules),
      'rule:"empty cart"',
      "name of a rule that acted on it",
    ),
  ],
  [
    "fault",
    term(
      anyName((c) => c.faults),
      "fault:flaky",
      "name of a fault that acted on it",
    ),
  ],
  ["is", term(is, "is:live,error", "state or flag", FLAGS)],
  ["meta", term(onServer, "meta:x-tenant=42", "request, initial or trailing metadata")],
  ["body", term(onServer, 'body:"alice"', "any field of a message; body:path=value for one field")],
]);
