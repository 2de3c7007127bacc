/** A whole filter, as one question to a call. The language is that of docs/filter.md. */

import type { Summary } from "../api/types";
import { scan } from "./scanner";
import { type Question, TERMS } from "./terms";

export interface Query {
  readonly text: string;
  /** Whether some term is answered by the server (`meta:`, `body:`). */
  readonly needsServer: boolean;
  /** Whether a call matches; null if only the server can tell. */
  readonly answer: Question;
}

export const EVERYTHING: Query = { text: "", needsServer: false, answer: () => true };

function any(questions: readonly Question[], negated: boolean): Question {
  return (call) => {
    let answer: boolean | null = false;
    for (const question of questions) {
      const found = question(call);
      if (found === true) return !negated;
      if (found === null) answer = null;
    }
    return answer === null ? null : negated !== answer;
  };
}

/** Reads a filter; throws `FilterError` with the column at which it is wrong. */
export function parse(text: string): Query {
  if (text.trim() === "") return EVERYTHING;
  let needsServer = false;
  const groups = scan(text, (name) => TERMS.has(name)).map(({ items, negated }) => {
    const questions = items.map(({ term, value }) => {
      needsServer ||= term === "meta" || term === "body";
      return (TERMS.get(term) as NonNullable<ReturnType<typeof TERMS.get>>).ask(value);
    });
    return any(questions, negated);
  });
  const answer = (call: Summary): boolean | null => {
    let all: boolean | null = true;
    for (const group of groups) {
      const found = group(call);
      if (found === false) return false;
      if (found === null) all = null;
    }
    return all;
  };
  return { text, needsServer, answer };
}
