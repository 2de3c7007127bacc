/** A held item in words, and the decisions on it as the API takes them. Pure. */

import type { Breakpoint, Hold, HoldDecision, HoldDetail, Node, StatusEdit } from "../api/types";
import { ApiError } from "../api/client";
import { formatMetadata, type MetadataEntry, parseDeadline, parseMetadata } from "../detail/replay-form";
import { formatDuration } from "../format/units";
import { formatJson } from "../json/json-lines";
import { describeJsonError } from "../json/json-error";

/** All points of a call, in their order, in words. */
export const POINTS: Readonly<Record<Hold["point"], string>> = {
  start: "start",
  "request-metadata": "request metadata",
  "request-message": "request message",
  "half-close": "half-close",
  "response-metadata": "initial metadata",
  "response-message": "response message",
  status: "status",
};

/** "request message 3": messages are counted from 1, as in faults. */
export const describePlace = ({ point, index }: Pick<Hold, "point" | "index">): string =>
  point.endsWith("-message") ? `${POINTS[point]} ${index + 1}` : POINTS[point];

export interface Budget {
  /** µs until Loom sends it automatically; null for never. */
  readonly left: number | null;
  /** How much of the time is left, from 0 to 1. */
  readonly share: number;
}

export function budgetOf(hold: Hold, now: number): Budget {
  if (hold.release_us === null) return { left: null, share: 1 };
  const whole = Math.max(1, hold.release_us - hold.came_us);
  const left = Math.max(0, hold.release_us - now);
  return { left, share: Math.min(1, left / whole) };
}

/** "12.3 s": tenths of seconds, so that it runs and can be read; minutes from one minute on. */
export function formatLeft(us: number): string {
  return us < 60_000_000 ? `${(us / 1e6).toFixed(1)} s` : formatDuration(us);
}

/** What becomes of a held item that nobody decides on. */
export function describeRelease(hold: Hold, now: number): string {
  if (hold.over) return "The call is over: this item can no longer be sent.";
  const { left } = budgetOf(hold, now);
  if (left === null) return "Held until you decide.";
  return `Sent automatically, unedited, in ${formatLeft(left)}${hold.release_reason === "" ? "" : ` (${hold.release_reason})`}.`;
}

/** When a breakpoint's items go on by themselves. */
export function describePolicy({
  release,
  release_after_ms,
}: Pick<Breakpoint, "release" | "release_after_ms">): string {
  if (release === "never") return "until you decide";
  return release === "after" ? `for ${formatDuration(release_after_ms * 1000)}` : "until shortly before the deadline";
}

/** The texts of the editor: what a person may change of an item. */
export interface HoldTexts {
  /** The JSON of the message; null where it has none. */
  readonly json: string | null;
  /** Values of fields by the path of their numbers, of a message without a schema. */
  readonly fields: Readonly<Record<string, string>>;
  /** The paths of those that are numbers. */
  readonly numbers: readonly string[];
  /** `key: value` lines; null where there is no metadata. */
  readonly metadata: string | null;
  readonly code: string;
  readonly message: string;
  readonly deadline: string;
}

export const NO_TEXTS: HoldTexts = {
  json: null,
  fields: {},
  numbers: [],
  metadata: null,
  code: "",
  message: "",
  deadline: "",
};

export function textsOf(hold: HoldDetail): HoldTexts {
  const json = hold.message?.json_cut === true ? null : (hold.message?.json_text ?? null);
  const fields = hold.message !== null && json === null ? wireFields(hold.message.wire) : [];
  return {
    json: json === null ? null : formatJson(json),
    fields: Object.fromEntries(fields.map(({ path, value }) => [path, value])),
    numbers: fields.flatMap(({ path, isNumber }) => (isNumber ? [path] : [])),
    metadata: hold.metadata === null ? null : formatMetadata(hold.metadata),
    code: hold.status?.name ?? "",
    message: hold.status?.message ?? "",
    deadline: hold.deadline_ms === null ? "" : String(Math.round(hold.deadline_ms)),
  };
}

const MAX_FIELDS = 100;

interface WireField {
  /** Numbers: `1.3`, and `1[1]` for the second of several. */
  readonly path: string;
  readonly value: string;
  readonly isNumber: boolean;
}

/** Fields that hold a single value, by their path of numbers, with the value as text. */
export function wireFields(node: Node | null, path = ""): readonly WireField[] {
  if (node === null) return [];
  const seen = new Map<string, number>();
  const fields: WireField[] = [];
  for (const child of node.children) {
    const count = seen.get(child.key) ?? 0;
    seen.set(child.key, count + 1);
    const step = `${path}${path === "" ? "" : "."}${child.key}${count === 0 ? "" : `[${count}]`}`;
    if (child.children.length > 0) fields.push(...wireFields(child, step));
    else if (child.kind !== "bytes" && ["string", "number"].includes(typeof child.value))
      fields.push({ path: step, value: String(child.value), isNumber: !child.type.startsWith("len") });
  }
  return fields.slice(0, MAX_FIELDS);
}

export const isEdited = (texts: HoldTexts, original: HoldTexts): boolean =>
  JSON.stringify(texts) !== JSON.stringify(original);

/** Check the JSON of a message; throws `ApiError`. */
export function checkJson(text: string): string {
  try {
    JSON.parse(text);
  } catch (error) {
    throw new ApiError(describeJsonError(text, error), 0, { field: "json" });
  }
  return text;
}

/** What differs from the item as a decision, and the JSON text of its message. Throws `ApiError`. */
export function editOf(texts: HoldTexts, original: HoldTexts): { body: HoldDecision; json: string | null } {
  const body: HoldDecision = {};
  const json = texts.json !== null && texts.json !== original.json ? checkJson(texts.json) : null;
  const fields = Object.entries(texts.fields).filter(([path, value]) => original.fields[path] !== value);
  if (fields.length > 0)
    body.fields = fields.map(([path, value]) => ({
      path,
      value: original.numbers.includes(path) ? fieldNumber(value) : value,
    }));
  if (texts.metadata !== null && texts.metadata !== original.metadata) body.metadata = metadataOf(texts.metadata);
  if (texts.code !== original.code || texts.message !== original.message) body.status = statusOf(texts);
  const deadline = parseDeadline(texts.deadline, original.deadline);
  if (deadline !== undefined) body.deadline_ms = deadline;
  return { body, json };
}

/** The message to insert: JSON, or without a schema `PATH=VALUE` lines. Throws `ApiError`. */
export function insertionOf(text: string, schemaless: boolean): { body: HoldDecision; json: string | null } {
  if (!schemaless) return { body: {}, json: checkJson(text) };
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const fields = lines.map((line) => {
    const [, path, value] = /^\s*([\d.[\]]+)\s*=(.*)$/.exec(line) ?? [];
    if (path === undefined || value === undefined)
      throw new ApiError(`${line.trim()} is not NUMBER=VALUE, as in 1.3=text`, 0, { field: "fields" });
    return { path, value: jsonOrText(value) };
  });
  if (fields.length === 0) throw new ApiError("Expected fields by number, one a line: 1=text", 0, { field: "fields" });
  return { body: { fields }, json: null };
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

export const statusOf = ({ code, message }: Pick<HoldTexts, "code" | "message">): StatusEdit => ({ code, message });

/** A number where it can be one; else as typed, for Loom to say what fits. */
const fieldNumber = (text: string): string | number => (/^-?\d{1,15}$/.test(text.trim()) ? Number(text) : text);

function metadataOf(text: string): MetadataEntry[] {
  try {
    return parseMetadata(text);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    throw new ApiError(error.message, 0, { field: "metadata", hint: error.hint });
  }
}

/** Where an error is shown. `mode`: in what is written besides the edit. */
export interface Place {
  readonly part: "json" | "fields" | "metadata" | "status" | "deadline_ms" | "mode" | "item";
  /** In JSON the path of the key; of fields without a schema the path of the one. */
  readonly path: string;
}

/** Where in the editor an error of the API belongs. `fields` are those that were sent, in their order. */
export function placeOf({ field }: ApiError, texts: HoldTexts, fields: readonly string[] = []): Place {
  const [, part, rest] = /^(json|fields|metadata|status|deadline_ms)\b\.?(.*)$/.exec(field) ?? [];
  if (part === undefined || (part === "json" && texts.json === null)) return { part: "item", path: "" };
  if (part === "fields") return { part, path: fields[Number(/^\[(\d+)\]/.exec(rest ?? "")?.[1])] ?? "" };
  return { part: part as Place["part"], path: part === "json" ? (rest ?? "") : "" };
}

const MAX_SECONDS = 86_400;

/** Seconds as typed, or null if it is no time that an item can be held. */
export function secondsOf(text: string): number | null {
  const value = /^\s*\d+(\.\d+)?\s*$/.test(text) ? Number(text) : NaN;
  return value <= MAX_SECONDS ? value : null;
}
