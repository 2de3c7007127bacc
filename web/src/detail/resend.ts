/** What is typed into the resend form, and what the API takes. Pure. */

import { ApiError } from "../api/client";
import type { MetadataItem } from "../api/types";

export interface SentItem {
  key: string;
  value: string;
  binary: boolean;
}

export const metadataText = (items: readonly MetadataItem[]): string =>
  items.map(({ key, value }) => `${key}: ${value}`).join("\n");

/** One `key: value` a line. Throws `ApiError` (status 0) that names the line. */
export function readMetadata(text: string): SentItem[] {
  return text.split("\n").flatMap((line, at) => {
    if (line.trim() === "") return [];
    const match = /^\s*([0-9a-z_.-]+)\s*:\s?(.*)$/i.exec(line);
    if (match === null) throw new ApiError(`line ${at + 1} of the metadata is not "key: value"`, 0, line.trim());
    const key = (match[1] ?? "").toLowerCase();
    return [{ key, value: match[2] ?? "", binary: key.endsWith("-bin") }];
  });
}

/**
 * The messages as JSON text of an array, with every digit as typed; `single` says that the text is one
 * message and not a list of them. Throws `ApiError` (status 0) if it is no JSON.
 */
export function readMessages(text: string, single: boolean): string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ApiError(`this is no JSON: ${error instanceof Error ? error.message : String(error)}`, 0);
  }
  if (single) return `[${text}]`;
  if (!Array.isArray(value)) throw new ApiError("the messages are a list: [ {…}, {…} ]", 0);
  return text;
}

/** The deadline in ms: none (0) where it was emptied, undefined as long as it is as recorded. */
export function readDeadline(text: string, recorded: string): number | undefined {
  const typed = text.trim();
  if (typed === recorded) return undefined;
  if (typed === "") return 0;
  if (!/^\d+(\.\d+)?$/.test(typed))
    throw new ApiError("write milliseconds, or nothing for no deadline", 0, "", null, false, "deadline_ms");
  return Number(typed);
}
