/** Suggestions for a filter: names of terms, or values of the term at the caret. */

import { TERMS } from "./terms";

export interface Suggestion {
  readonly label: string;
  readonly insert: string;
  readonly description: string;
  /** Start of the text that `insert` replaces; it ends at the caret. */
  readonly from: number;
}

const MAX_SUGGESTIONS = 12;

export function complete(text: string, caret: number): Suggestion[] {
  const before = text.slice(0, caret);
  const word = /[^\s]*$/.exec(before)?.[0] ?? "";
  if (/["/]/.test(word)) return [];
  const bare = word.replace(/^-/, "");
  const colon = bare.indexOf(":");
  if (colon >= 0) {
    const term = TERMS.get(bare.slice(0, colon).toLowerCase());
    const typed =
      bare
        .slice(colon + 1)
        .split(",")
        .at(-1) ?? "";
    const from = caret - typed.length;
    return (term?.values ?? [])
      .filter((value) => value.toLowerCase().startsWith(typed.toLowerCase()) && value !== typed)
      .map((value) => ({ label: value, insert: value, description: "", from }));
  }
  const from = caret - bare.length;
  return [...TERMS]
    .filter(([name]) => name !== "" && name.startsWith(bare.toLowerCase()))
    .slice(0, MAX_SUGGESTIONS)
    .map(([name, { description, example }]) => ({ label: example, insert: `${name}:`, description, from }));
}
