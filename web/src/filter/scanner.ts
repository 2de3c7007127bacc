/**
 * Split a filter into groups of terms and values, without interpreting them.
 *
 *     filter   = [ group { SPACE group } ]
 *     group    = [ "-" ] item { "," item }
 *     item     = [ TERM ":" ] value          ; TERM defaults to that of the previous item of the group
 *     value    = [ FIELD "=" ] ( WORD | QUOTED | REGEX )    ; FIELD only for meta: and body:
 */

import { closestName } from "./closest-name";
import { FilterError } from "./filter-error";

export interface Value {
  readonly text: string;
  /** A word may contain wildcards; quoted text is literal. */
  readonly form: "word" | "quoted" | "regex";
  readonly column: number;
  readonly field: string;
  readonly ignoreCase: boolean;
}

export interface Item {
  readonly term: string;
  readonly value: Value;
}

export interface Group {
  readonly items: readonly Item[];
  readonly negated: boolean;
}

const TERM = /([A-Za-z][A-Za-z_.]*):/y;
const FIELD = /([^\s,"=/:]+)=/y;
const WORD = /[^\s,]+/y;
const QUOTED = /"((?:[^"\\]|\\.)*)"/sy;
const REGEX = /\/((?:[^/\\]|\\.)+)\/(i?)(?=[\s,]|$)/y;
const SPACE = /\s*/y;

function unknownTerm(text: string, column: number, terms: Iterable<string>): FilterError {
  const closest = closestName(text.slice(0, -1).toLowerCase(), terms);
  const hint = closest === null ? `To search for the text, quote it: "${text}…"` : `Did you mean ${closest}:?`;
  return new FilterError(`Unknown filter "${text}"`, column, hint);
}

/** Scan a filter. Throws `FilterError` on a syntax error or an unknown term. */
export function scan(text: string, terms: ReadonlySet<string>): Group[] {
  let at = 0;

  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match !== null) at += match[0].length;
    return match;
  };
  const next = () => text.charAt(at);
  const spaceOrEnd = () => next() === "" || /\s/.test(next());

  function value(term: string): Value {
    const column = at;
    const field = term === "meta" || term === "body" ? (take(FIELD)?.[1] ?? "") : "";
    const start = at;
    const token = (form: Value["form"], content: string, ignoreCase = false): Value => ({
      text: content,
      form,
      column,
      field,
      ignoreCase,
    });
    if (next() === '"') {
      const quoted = take(QUOTED);
      if (quoted === null) throw new FilterError("Unclosed quote", start);
      return token("quoted", (quoted[1] ?? "").replace(/\\(.)/gs, "$1"));
    }
    const regex = take(REGEX);
    if (regex !== null) return token("regex", (regex[1] ?? "").replaceAll("\\/", "/"), regex[2] === "i");
    const word = take(WORD);
    if (word !== null) return token("word", word[0]);
    if (field !== "") return token("quoted", "");
    throw new FilterError(term === "" ? "Expected a value" : `Expected a value after ${term}:`, start);
  }

  function item(before: string): Item {
    const column = at;
    let term = before;
    const match = take(TERM);
    if (match !== null) {
      const name = (match[1] ?? "").toLowerCase();
      if (terms.has(name)) {
        term = name;
      } else if (before === "") {
        throw unknownTerm(match[0], column, terms);
      } else {
        at = column;
      }
    }
    return { term, value: value(term) };
  }

  function group(): Group {
    const start = at;
    const negated = next() === "-";
    if (negated) {
      at += 1;
      if (spaceOrEnd()) throw new FilterError("Expected a term after -", start, "Example: -status:OK");
      if (next() === "-") throw new FilterError("Only one - is allowed", at, "Example: -status:OK");
    }
    let last = item("");
    const items = [last];
    while (next() === ",") {
      at += 1;
      last = item(last.term);
      items.push(last);
    }
    if (!spaceOrEnd()) throw new FilterError(`Expected a space or comma before ${next()}`, at);
    return { items, negated };
  }

  const groups: Group[] = [];
  take(SPACE);
  while (at < text.length) {
    groups.push(group());
    take(SPACE);
  }
  return groups;
}
