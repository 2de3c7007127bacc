/** What may be typed next in a filter: the names of terms, or the values of the term at the caret. */

import { TERMS } from "./terms";

export interface Suggestion {
  readonly label: string;
  readonly insert: string;
  readonly means: string;
  /** Where the text that `insert` replaces begins; it ends at the caret. */
  readonly from: number;
}

const MOST = 12;

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
      .map((value) => ({ label: value, insert: value, means: "", from }));
  }
  const from = caret - bare.length;
  return [...TERMS]
    .filter(([name]) => name !== "" && name.startsWith(bare.toLowerCase()))
    .slice(0, MOST)
    .map(([name, { means, example }]) => ({ label: example, insert: `${name}:`, means, from }));
}
