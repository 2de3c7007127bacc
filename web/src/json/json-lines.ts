/**
 * JSON text as indented lines of tokens.
 *
 * Numbers are not parsed, so 64-bit integers keep every digit. Linear time, no recursion.
 */

export type TokenKind = "key" | "string" | "number" | "word" | "mark";

export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
}

export interface Line {
  readonly depth: number;
  readonly tokens: readonly Token[];
}

const NUMBER_OR_WORD = /[^\s,:[\]{}"]+/y;

function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === 0x5c) at += 1;
    else if (char === 0x22) return at + 1;
  }
  return text.length;
}

export function tokenizeJson(text: string): Line[] {
  const lines: Line[] = [];
  let tokens: Token[] = [];
  let depth = 0;
  let lineDepth = 0;
  const push = (kind: TokenKind, content: string) => tokens.push({ kind, text: content });
  const breakLine = () => {
    if (tokens.length > 0) lines.push({ depth: lineDepth, tokens });
    tokens = [];
    lineDepth = depth;
  };
  const next = (from: number) => {
    let at = from;
    while (at < text.length && /\s/.test(text.charAt(at))) at += 1;
    return at;
  };

  for (let at = next(0); at < text.length; at = next(at)) {
    const char = text.charAt(at);
    if (char === "{" || char === "[") {
      const inside = next(at + 1);
      const close = char === "{" ? "}" : "]";
      if (text.charAt(inside) === close) {
        push("mark", char + close);
        at = inside + 1;
      } else {
        push("mark", char);
        depth += 1;
        breakLine();
        at += 1;
      }
    } else if (char === "}" || char === "]") {
      depth = Math.max(0, depth - 1);
      breakLine();
      push("mark", char);
      at += 1;
    } else if (char === ",") {
      push("mark", ",");
      breakLine();
      at += 1;
    } else if (char === ":") {
      push("mark", ": ");
      at += 1;
    } else if (char === '"') {
      const end = endOfString(text, at);
      const isKey = text.charAt(next(end)) === ":";
      push(isKey ? "key" : "string", text.slice(at, end));
      at = end;
    } else {
      NUMBER_OR_WORD.lastIndex = at;
      const word = NUMBER_OR_WORD.exec(text)?.[0] ?? char;
      push(/^-?\d/.test(word) ? "number" : "word", word);
      at += word.length;
    }
  }
  breakLine();
  return lines;
}

/** Format JSON text with an indentation of two spaces. */
export function formatJson(text: string): string {
  return tokenizeJson(text)
    .map(({ depth, tokens }) => "  ".repeat(depth) + tokens.map((token) => token.text).join(""))
    .join("\n");
}
