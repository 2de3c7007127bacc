/** Editing the text of a filter by whole terms. Pure. */

const UNQUOTED = /^[\w./:@-]+$/;

/** A value that is compared as it is, quoted if necessary. */
export const exactValue = (value: string): string =>
  UNQUOTED.test(value) ? value : `"${value.replace(/["\\]/g, "\\$&")}"`;

/** A term that matches exactly `value`. */
export const exactTerm = (name: string, value: string): string => `${name}:${exactValue(value)}`;

/** The space-separated terms of a filter; quoted text and regular expressions may contain spaces. */
export const splitTerms = (text: string): string[] => text.match(/(?:"(?:\\.|[^"\\])*"?|[^\s"])+/g) ?? [];

export const hasTerm = (text: string, term: string): boolean => splitTerms(text).includes(term);

/** Add `term` to the filter, or remove it if present. */
export function toggleTerm(text: string, term: string): string {
  const words = splitTerms(text);
  const without = words.filter((word) => word !== term);
  return (without.length < words.length ? without : [...words, term]).join(" ");
}
