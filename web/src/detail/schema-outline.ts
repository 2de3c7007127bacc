/** Search in a schema. Pure. */

import type { Outline, OutlineEnum, OutlineMessage } from "../api/types";

/** A message or enum type. */
export type OutlinedType =
  { readonly kind: "message"; readonly type: OutlineMessage } | { readonly kind: "enum"; readonly type: OutlineEnum };

export interface SearchResult {
  readonly services: Outline["services"];
  readonly types: readonly OutlinedType[];
}

/** Whether the text contains every word, ignoring case. */
export const includesAll = (text: string, words: readonly string[]): boolean => {
  const lower = text.toLowerCase();
  return words.every((word) => lower.includes(word));
};

export const searchWords = (search: string): string[] =>
  search
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");

/** The searchable text of a type: one line per field or enum value. */
export function searchLines(entry: OutlinedType): string[] {
  if (entry.kind === "enum") return entry.type.values.map(([number, name]) => `${name} ${number}`);
  return entry.type.fields.map(
    ({ number, name, type, label, oneof }) =>
      `${name} ${number} ${type} ${label} ${oneof === null ? "" : `oneof ${oneof}`}`,
  );
}

/** The services, methods and types that match a search; all of them if it is empty. */
export function searchOutline(outline: Outline, words: readonly string[]): SearchResult {
  const types: OutlinedType[] = [
    ...outline.messages.map((type) => ({ kind: "message", type }) as const),
    ...outline.enums.map((type) => ({ kind: "enum", type }) as const),
  ];
  if (words.length === 0) return { services: outline.services, types };
  const services = outline.services.flatMap((service) => {
    if (includesAll(service.name, words)) return [service];
    const methods = service.methods.filter(({ name, kind, request, response }) =>
      includesAll(`${name} ${kind} ${request} ${response}`, words),
    );
    return methods.length === 0 ? [] : [{ ...service, methods }];
  });
  return {
    services,
    types: types.filter(
      (entry) => includesAll(entry.type.name, words) || searchLines(entry).some((line) => includesAll(line, words)),
    ),
  };
}

/** Split a full name into package and name: the package is the part in lower case. */
export function nameParts(full: string): { readonly pkg: string; readonly name: string } {
  const at = full.search(/(^|\.)[^a-z][^.]*/);
  const cut = at < 0 ? full.lastIndexOf(".") + 1 : full[at] === "." ? at + 1 : at;
  return { pkg: full.slice(0, cut), name: full.slice(cut) };
}
