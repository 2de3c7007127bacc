/** A parsed filter as a predicate over call summaries. The language is described in docs/reference/filter.md. */

import type { Summary } from "../api/types";
import { scan } from "./scanner";
import { type Predicate, TERMS } from "./terms";

export interface Query {
  readonly text: string;
  /** Whether it has terms that only the server can evaluate (`meta:`, `body:`). */
  readonly needsServer: boolean;
  /** Null if only the server can tell. */
  readonly matches: Predicate;
}

const NAMES: ReadonlySet<string> = new Set(TERMS.keys());

export const MATCH_ALL: Query = { text: "", needsServer: false, matches: () => true };

function anyOf(predicates: readonly Predicate[], negated: boolean): Predicate {
  return (call) => {
    let result: boolean | null = false;
    for (const predicate of predicates) {
      const matched = predicate(call);
      if (matched === true) return !negated;
      if (matched === null) result = null;
    }
    return result === null ? null : negated !== result;
  };
}

/** Parse a filter. Throws `FilterError`. */
export function parseFilter(text: string): Query {
  if (text.trim() === "") return MATCH_ALL;
  let needsServer = false;
  const groups = scan(text, NAMES).map(({ items, negated }) => {
    const predicates = items.map(({ term, value }) => {
      needsServer ||= term === "meta" || term === "body";
      return (TERMS.get(term) as NonNullable<ReturnType<typeof TERMS.get>>).compile(value);
    });
    return anyOf(predicates, negated);
  });
  const matches = (call: Summary): boolean | null => {
    let all: boolean | null = true;
    for (const group of groups) {
      const matched = group(call);
      if (matched === false) return false;
      if (matched === null) all = null;
    }
    return all;
  };
  return { text, needsServer, matches };
}
