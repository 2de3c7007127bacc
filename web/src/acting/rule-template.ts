/** Rules and faults that a call suggests, as the JSON text of their editor. Pure. */

import type { MetadataItem, Summary } from "../api/types";
import { exactTerm, exactValue } from "../filter/term-text";
import { methodParts } from "../format/method";
import { formatJson } from "../json/json-lines";

export type RuleKind = "rule" | "fault";

/** A message as the editor gets it; `text` is its JSON with every digit as it was decoded. */
export interface TemplateMessage {
  readonly direction: "request" | "response";
  /** Its number among those of its direction, from 0; null stands for all of them. */
  readonly number: number | null;
  readonly text: string | null;
}

const MAX_NAME = 80;
/** Longer messages are not put into a rule: the editor would be slow, and a `set` says more. */
const MAX_TEXT = 256 * 1024;

const indent = (text: string, by: string): string => text.replaceAll("\n", `\n${by}`);

/** A name that none of `names` has: "Chat", "Chat 2". */
export function freeName(name: string, names: readonly string[]): string {
  const base = name.slice(0, MAX_NAME);
  if (!names.includes(base)) return base;
  let number = 2;
  while (names.includes(`${base} ${number}`)) number += 1;
  return `${base} ${number}`;
}

/** A rule on the calls of this method, which replaces the message by what it is now, to be edited. */
export function ruleFromMessage(call: Summary, message: TemplateMessage, names: readonly string[]): string {
  const index = message.number === null ? "" : `, "index": ${message.number}`;
  const useText = message.text !== null && message.text.length <= MAX_TEXT;
  const action = useText ? `{ "message": ${indent(formatJson(message.text ?? ""), "    ")} }` : '{ "delay": "500ms" }';
  return rule(call, names, `"when": { "point": "${message.direction}-message"${index} }`, action);
}

/** A rule that gives the calls of this method another status. */
export function ruleFromStatus(call: Summary, names: readonly string[]): string {
  const { name, message } = call.status ?? { name: "UNAVAILABLE", message: "" };
  const status = name === "OK" ? "UNAVAILABLE" : name;
  return rule(
    call,
    names,
    '"when": { "point": "status" }',
    `{ "status": ${JSON.stringify(status)}, "message": ${JSON.stringify(message)} }`,
  );
}

function rule(call: Summary, names: readonly string[], when: string, action: string): string {
  const name = freeName(methodParts(call.method).name, names);
  return `{
  "name": ${JSON.stringify(name)},
  "match": ${JSON.stringify(exactTerm("method", call.method))},
  ${when},
  "do": [
    ${action}
  ]
}`;
}

/** A fault that the calls of this method get from now on. */
export function faultOf(call: Summary, what: "status" | "delay", names: readonly string[]): string {
  const { name } = methodParts(call.method);
  const fault =
    what === "status"
      ? { name: freeName(`${name} fails`, names), status: "UNAVAILABLE", message: "injected by Loom" }
      : { name: freeName(`slow ${name}`, names), delay: "1s" };
  const { name: faultName, ...rest } = fault;
  return JSON.stringify({ name: faultName, match: exactTerm("method", call.method), ...rest }, null, 2);
}

/** What a new rule looks like without a call. */
export function emptyRule(kind: RuleKind, names: readonly string[]): string {
  const start = { name: freeName(`my ${kind}`, names), match: "method:…" };
  return JSON.stringify(
    kind === "rule"
      ? { ...start, when: { point: "response-message" }, do: [{ set: "field", to: "value" }] }
      : { ...start, percent: 100, status: "UNAVAILABLE", message: "injected by Loom" },
    null,
    2,
  );
}

const STANDARD = /^(?::|grpc-|te$|content-type$|user-agent$|accept-encoding$)|-bin$/;
const MAX_TERMS = 12;

/** Terms by which the calls with the same metadata are chosen; masked values are left out. */
export function metadataTerms(items: readonly MetadataItem[]): string[] {
  const terms = items
    .filter(({ key, binary, masked }) => !binary && !masked && !STANDARD.test(key))
    .map(({ key, value }) => `meta:${key}=${exactValue(value)}`);
  return [...new Set(terms)].slice(0, MAX_TERMS);
}
