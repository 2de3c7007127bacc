/** Terms as parts of a filter's text: quoted for it, found in it, put in and taken out. Pure. */

const PLAIN = /^[\w./:@-]+$/;

/** A term that holds for this value and no other, whatever characters it has. */
export const exactly = (name: string, value: string): string =>
  `${name}:${PLAIN.test(value) ? value : `"${value.replace(/["\\]/g, "\\$&")}"`}`;

/** The words of a filter; what is quoted, or a regular expression, may have spaces in it. */
export const wordsOf = (text: string): string[] => text.match(/(?:"(?:\\.|[^"\\])*"?|[^\s"])+/g) ?? [];

export const has = (text: string, term: string): boolean => wordsOf(text).includes(term);

/** The filter with the term, or without it if it was there. */
export function toggled(text: string, term: string): string {
  const words = wordsOf(text);
  const without = words.filter((one) => one !== term);
  return (without.length < words.length ? without : [...words, term]).join(" ");
}
