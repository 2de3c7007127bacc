/** The value of a tree node, formatted for display. */

import type { Node } from "../api/types";
import { formatBytes, formatDuration, formatTimestamp, pluralize } from "../format/units";
import { decodeUtf8, truncateText, decodeBase64, toHex, escapeInvisible } from "./text";

export interface DisplayValue {
  readonly text: string;
  readonly tone: "string" | "number" | "word" | "quiet";
  /** Number of characters or bytes omitted from `text`. */
  readonly left: number;
  /** Shown dimmed after the value: enum number, local time, size. */
  readonly annotation: string;
  /** The complete value, for copying. */
  readonly full: string;
}

const MAX_CHARS = 400;
const MAX_HEX_BYTES = 48;

const make = (text: string, tone: DisplayValue["tone"], annotation = "", full = text, left = 0): DisplayValue => ({
  text,
  tone,
  left,
  annotation,
  full,
});

function ofBytes(base64: string, asHex: boolean): DisplayValue {
  const data = decodeBase64(base64);
  const size = formatBytes(data.length);
  const text = asHex ? null : decodeUtf8(data.subarray(0, 4 * MAX_CHARS));
  if (data.length === 0) return make('""', "string", "0 B", "");
  if (text !== null) {
    const part = truncateText(text, MAX_CHARS);
    return make(`"${escapeInvisible(part.text)}"`, "string", `${size} as text`, text, part.left);
  }
  const left = Math.max(0, data.length - MAX_HEX_BYTES);
  return make(toHex(data.subarray(0, MAX_HEX_BYTES)), "number", `${size} as hex`, base64, left);
}

function ofTimestamp(value: string): DisplayValue {
  const at = Date.parse(value);
  return make(value, "string", Number.isNaN(at) ? "" : formatTimestamp(at * 1000).replace(/\.\d+/, ""), value);
}

function ofDuration(value: string): DisplayValue {
  const seconds = Number(value.replace(/s$/, ""));
  return make(
    value,
    "string",
    Number.isFinite(seconds) && Math.abs(seconds) >= 60 ? formatDuration(seconds * 1e6) : "",
    value,
  );
}

function ofString(value: string): DisplayValue {
  const part = truncateText(value, MAX_CHARS);
  return make(`"${escapeInvisible(part.text).replaceAll('"', '\\"')}"`, "string", "", value, part.left);
}

export function displayValue(node: Node, asHex = false): DisplayValue {
  const { kind, value } = node;
  const type = node.type ?? "";
  if (kind === "bytes" && typeof value === "string") return ofBytes(value, asHex);
  if (kind === "enum")
    return make(escapeInvisible(String(value)), "word", node.enum_number == null ? "" : String(node.enum_number));
  if (type.endsWith("google.protobuf.Timestamp") && typeof value === "string") return ofTimestamp(value);
  if (type.endsWith("google.protobuf.Duration") && typeof value === "string") return ofDuration(value);
  if (value === null || value === undefined) return summaryOf(node);
  if (typeof value === "number" || typeof value === "bigint") return make(String(value), "number");
  if (typeof value === "boolean") return make(String(value), "word");
  if (typeof value === "string") {
    const numeric = /^(?:s|u)?(?:int|fixed)(?:32|64)$|^sfixed|^float|^double/.test(type);
    return numeric ? make(value, "number") : ofString(value);
  }
  return ofString(JSON.stringify(value));
}

/** The value shown for a branch: its size and type. */
function summaryOf(node: Node): DisplayValue {
  const size = (node.children?.length ?? 0) + (node.more ?? 0);
  const type = escapeInvisible(node.type ?? "");
  switch (node.kind) {
    case "list":
      return make(`[${size}]`, "quiet", type);
    case "map":
      return make(`{${pluralize(size, "entry", "entries")}}`, "quiet", type);
    case "message":
    case "any":
      return make(size === 0 ? "{}" : "", "quiet", type);
    default:
      return make("null", "word", type);
  }
}
