/** Searching what a schema says. Pure. */

import type { Outline, OutlinedEnum, OutlinedMessage } from "../api/types";

/** A message or an enum, as the list of types shows it. */
export type OutlinedType =
  { readonly kind: "message"; readonly type: OutlinedMessage } | { readonly kind: "enum"; readonly type: OutlinedEnum };

export interface Found {
  readonly services: Outline["services"];
  readonly types: readonly OutlinedType[];
}

/** Whether every word is in the text, whatever its case. */
export const holds = (text: string, words: readonly string[]): boolean => {
  const lower = text.toLowerCase();
  return words.every((word) => lower.includes(word));
};

export const wordsOf = (search: string): string[] =>
  search
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");

/** What of a type a search can hit: its own name, then its fields or values, a line each. */
export function linesOf(one: OutlinedType): string[] {
  if (one.kind === "enum") return one.type.values.map(([number, name]) => `${name} ${number}`);
  return one.type.fields.map(
    ({ number, name, type, label, oneof }) =>
      `${name} ${number} ${type} ${label} ${oneof === null ? "" : `oneof ${oneof}`}`,
  );
}

/** Services with the methods, and types, that a search is about; all of them without one. */
export function search(outline: Outline, words: readonly string[]): Found {
  const types: OutlinedType[] = [
    ...outline.messages.map((type) => ({ kind: "message", type }) as const),
    ...outline.enums.map((type) => ({ kind: "enum", type }) as const),
  ];
  if (words.length === 0) return { services: outline.services, types };
  const services = outline.services.flatMap((service) => {
    if (holds(service.name, words)) return [service];
    const methods = service.methods.filter(({ name, kind, request, response }) =>
      holds(`${name} ${kind} ${request} ${response}`, words),
    );
    return methods.length === 0 ? [] : [{ ...service, methods }];
  });
  return {
    services,
    types: types.filter((one) => holds(one.type.name, words) || linesOf(one).some((line) => holds(line, words))),
  };
}

/** `package.` and the rest: the package is the part of small letters. */
export function nameParts(full: string): { readonly pkg: string; readonly name: string } {
  const at = full.search(/(^|\.)[^a-z][^.]*/);
  const cut = at < 0 ? full.lastIndexOf(".") + 1 : full[at] === "." ? at + 1 : at;
  return { pkg: full.slice(0, cut), name: full.slice(cut) };
}
