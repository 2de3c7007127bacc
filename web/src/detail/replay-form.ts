/** Parsing of the replay form's fields into a replay request. Pure. */

import { ApiError } from "../api/client";
import type { MetadataItem } from "../api/types";
import { describeJsonError } from "../json/json-error";

export interface MetadataEntry {
  key: string;
  value: string;
  binary: boolean;
}

export const formatMetadata = (items: readonly MetadataItem[]): string =>
  items.map(({ key, value }) => `${key}: ${value}`).join("\n");

/** Parse one `key: value` per line. Throws `ApiError` with the line number. */
export function parseMetadata(text: string): MetadataEntry[] {
  return text.split("\n").flatMap((line, at) => {
    if (line.trim() === "") return [];
    const match = /^\s*([0-9a-z_.-]+)\s*:\s?(.*)$/i.exec(line);
    if (match === null) throw new ApiError(`Metadata line ${at + 1}: expected key: value`, 0, { hint: line.trim() });
    const key = (match[1] ?? "").toLowerCase();
    return [{ key, value: match[2] ?? "", binary: key.endsWith("-bin") }];
  });
}

/**
 * The JSON text of an array of messages, with every digit as typed. `single`: `text` is one message, not an array.
 * Throws `ApiError` if it is not valid JSON.
 */
export function parseMessages(text: string, single: boolean): string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ApiError(describeJsonError(text, error), 0);
  }
  if (single) return `[${text}]`;
  if (!Array.isArray(value)) throw new ApiError("Expected a list of messages: [ {…}, {…} ]", 0);
  return text;
}

/** The deadline in ms; 0 (none) if emptied, undefined if unchanged. Throws `ApiError`. */
export function parseDeadline(text: string, recorded: string): number | undefined {
  const trimmed = text.trim();
  if (trimmed === recorded) return undefined;
  if (trimmed === "") return 0;
  if (!/^\d+(\.\d+)?$/.test(trimmed))
    throw new ApiError("Expected milliseconds, or empty for no deadline", 0, { field: "deadline_ms" });
  return Number(trimmed);
}
