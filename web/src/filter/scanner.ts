/**
 * A filter's text becomes comma lists of terms and values; nothing is judged yet.
 *
 *     filter   = [ group { SPACE group } ]
 *     group    = [ "-" ] item { "," item }
 *     item     = [ TERM ":" ] value          ; without TERM: the one before it in the list, else bare
 *     value    = [ FIELD "=" ] ( WORD | QUOTED | REGEX )    ; FIELD for meta: and body: only
 */

import { FilterError } from "./error";

export interface Value {
  readonly text: string;
  /** A word may hold wildcards, a quoted text is taken literally. */
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

/** Splits a filter; throws `FilterError` where its form is wrong. `known` says which terms there are. */
export function scan(text: string, known: (term: string) => boolean): Group[] {
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
    const made = (form: Value["form"], content: string, ignoreCase = false): Value => ({
      text: content,
      form,
      column,
      field,
      ignoreCase,
    });
    if (next() === '"') {
      const quoted = take(QUOTED);
      if (quoted === null) throw new FilterError("the quote is not closed", start);
      return made("quoted", (quoted[1] ?? "").replace(/\\(.)/gs, "$1"));
    }
    const regex = take(REGEX);
    if (regex !== null) return made("regex", (regex[1] ?? "").replaceAll("\\/", "/"), regex[2] === "i");
    const word = take(WORD);
    if (word !== null) return made("word", word[0]);
    if (field !== "") return made("quoted", "");
    throw new FilterError(term === "" ? "a value is missing here" : `${term}: needs a value`, start);
  }

  function item(before: string): Item {
    const column = at;
    let term = before;
    const match = take(TERM);
    if (match !== null) {
      const name = (match[1] ?? "").toLowerCase();
      if (known(name)) {
        term = name;
      } else if (before === "") {
        throw new FilterError(`there is no term “${match[1]}”`, column, 'quote it to look for the text: "a:b"');
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
      if (spaceOrEnd()) throw new FilterError("there is nothing after the “-”", start, "as in -status:OK");
      if (next() === "-") throw new FilterError("one “-” is enough", at, "as in -status:OK");
    }
    let last = item("");
    const items = [last];
    while (next() === ",") {
      at += 1;
      last = item(last.term);
      items.push(last);
    }
    if (!spaceOrEnd()) throw new FilterError(`a space or a comma is missing before “${next()}”`, at);
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
