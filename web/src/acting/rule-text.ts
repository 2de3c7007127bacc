/** The JSON text of a rule: where a key is in it, and changes that leave the rest as it was typed. Pure. */

import { jsonLanguage } from "@codemirror/lang-json";

export interface TextRange {
  readonly from: number;
  readonly to: number;
}

/** A node of the JSON parser's tree, as far as it is needed. */
interface JsonNode {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  readonly firstChild: JsonNode | null;
  readonly nextSibling: JsonNode | null;
}

const children = (node: JsonNode): JsonNode[] => {
  const list: JsonNode[] = [];
  for (let child = node.firstChild; child !== null; child = child.nextSibling) list.push(child);
  return list;
};

/** The steps of a key as the API names it: `do[1].set` is "do", 1, "set". */
export const keySteps = (key: string): (string | number)[] =>
  [...key.matchAll(/\[(\d+)\]|([^.[\]]+)/g)].map(([, index, name]) =>
    index === undefined ? (name ?? "") : Number(index),
  );

function step(text: string, node: JsonNode, to: string | number): { value: JsonNode; whole: TextRange } | null {
  if (typeof to === "number") {
    const value = node.name === "Array" ? children(node).filter(({ name }) => !/^[[\],⚠]/.test(name))[to] : undefined;
    return value === undefined ? null : { value, whole: value };
  }
  if (node.name !== "Object") return null;
  for (const property of children(node)) {
    const name = property.firstChild;
    if (property.name !== "Property" || name === null) continue;
    if (text.slice(name.from, name.to) !== JSON.stringify(to)) continue;
    const value = children(property).at(-1) ?? name;
    return { value, whole: property };
  }
  return null;
}

/** Where a key is in the text, or the nearest that contains it; null if not even its first step is there. */
export function findKey(text: string, key: string): TextRange | null {
  let node: JsonNode | null = (jsonLanguage.parser.parse(text).topNode as JsonNode).firstChild;
  let range: TextRange | null = null;
  for (const to of keySteps(key)) {
    const next: { value: JsonNode; whole: TextRange } | null = node === null ? null : step(text, node, to);
    if (next === null) break;
    node = next.value;
    range = next.whole;
  }
  return range === null ? null : { from: range.from, to: range.to };
}

/** The text of the value of a top-level key, or null. */
function valueRange(text: string, key: string): TextRange | null {
  const root = (jsonLanguage.parser.parse(text).topNode as JsonNode).firstChild;
  return root === null ? null : (step(text, root, key)?.value ?? null);
}

/** The `match` of a rule's text, or null if it is not there as text. */
export function matchOf(text: string): string | null {
  const range = valueRange(text, "match");
  if (range === null) return null;
  try {
    const value: unknown = JSON.parse(text.slice(range.from, range.to));
    return typeof value === "string" ? value : null;
  } catch {
    return null;
  }
}

/** The text with another `match`, and everything else as it was. */
export function withMatch(text: string, match: string): string {
  const range = valueRange(text, "match");
  return range === null ? text : text.slice(0, range.from) + JSON.stringify(match) + text.slice(range.to);
}
