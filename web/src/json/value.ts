/** One value of a tree, ready to be shown: its text, its colour, and what a person would want beside it. */

import type { Node } from "../api/types";
import { bytes as sizeText, duration, moment, plural } from "../format/units";
import { asText, cut, fromBase64, hexOf, visible } from "./text";

export interface ShownValue {
  readonly text: string;
  readonly tone: "string" | "number" | "word" | "quiet";
  /** Characters or bytes that did not fit. */
  readonly left: number;
  /** Beside the value, dimmed: the enum's number, the local time, the size. */
  readonly beside: string;
  readonly full: string;
}

const LONGEST = 400;
const MOST_HEX = 48;

const shown = (text: string, tone: ShownValue["tone"], beside = "", full = text, left = 0): ShownValue => ({
  text,
  tone,
  left,
  beside,
  full,
});

function ofBytes(base64: string, asHex: boolean): ShownValue {
  const data = fromBase64(base64);
  const size = sizeText(data.length);
  const text = asHex ? null : asText(data.subarray(0, 4 * LONGEST));
  if (data.length === 0) return shown('""', "string", "0 B", "");
  if (text !== null) {
    const part = cut(text, LONGEST);
    return shown(`"${visible(part.text)}"`, "string", `${size} as text`, text, part.left);
  }
  const left = Math.max(0, data.length - MOST_HEX);
  return shown(hexOf(data.subarray(0, MOST_HEX)), "number", `${size} as hex`, base64, left);
}

function ofTimestamp(value: string): ShownValue {
  const at = Date.parse(value);
  return shown(value, "string", Number.isNaN(at) ? "" : moment(at * 1000).replace(/\.\d+/, ""), value);
}

function ofDuration(value: string): ShownValue {
  const seconds = Number(value.replace(/s$/, ""));
  return shown(
    value,
    "string",
    Number.isFinite(seconds) && Math.abs(seconds) >= 60 ? duration(seconds * 1e6) : "",
    value,
  );
}

function ofString(value: string): ShownValue {
  const part = cut(value, LONGEST);
  return shown(`"${visible(part.text).replaceAll('"', '\\"')}"`, "string", "", value, part.left);
}

export function valueOf(node: Node, asHex = false): ShownValue {
  const { kind, value } = node;
  const type = node.type ?? "";
  if (kind === "bytes" && typeof value === "string") return ofBytes(value, asHex);
  if (kind === "enum")
    return shown(visible(String(value)), "word", node.enum_number == null ? "" : String(node.enum_number));
  if (type.endsWith("google.protobuf.Timestamp") && typeof value === "string") return ofTimestamp(value);
  if (type.endsWith("google.protobuf.Duration") && typeof value === "string") return ofDuration(value);
  if (value === null || value === undefined) return summaryOf(node);
  if (typeof value === "number" || typeof value === "bigint") return shown(String(value), "number");
  if (typeof value === "boolean") return shown(String(value), "word");
  if (typeof value === "string") {
    const numeric = /^(?:s|u)?(?:int|fixed)(?:32|64)$|^sfixed|^float|^double/.test(type);
    return numeric ? shown(value, "number") : ofString(value);
  }
  return ofString(JSON.stringify(value));
}

/** What stands in the place of a branch's value. */
function summaryOf(node: Node): ShownValue {
  const size = (node.children?.length ?? 0) + (node.more ?? 0);
  const type = visible(node.type ?? "");
  switch (node.kind) {
    case "list":
      return shown(`[${size}]`, "quiet", type);
    case "map":
      return shown(`{${plural(size, "entry", "entries")}}`, "quiet", type);
    case "message":
    case "any":
      return shown(size === 0 ? "{}" : "", "quiet", type);
    default:
      return shown("null", "word", type);
  }
}
