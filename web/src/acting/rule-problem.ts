/** Where an error of the API is in the text of a rule. Pure. */

import type { ApiError } from "../api/client";
import type { TextProblem } from "../detail/codemirror";
import { findKey } from "./rule-text";

/** The range of the key that the error names, or the column within its text; null if it names none. */
export function problemRange(text: string, error: ApiError): TextProblem | null {
  if (error.field === "") return null;
  const range = findKey(text, error.field);
  if (range === null) return null;
  const value = text.slice(range.from, range.to);
  const opening = /:\s*"/.exec(value);
  if (error.column === null || opening === null) return { ...range, message: error.message };
  const from = range.from + opening.index + opening[0].length + error.column;
  return { from: Math.min(from, range.to - 1), to: range.to, message: error.message };
}
