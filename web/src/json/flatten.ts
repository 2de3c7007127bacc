/** A tree of nodes (docs/api.md) as the rows that show it. Without recursion: depth is only depth. */

import type { Node } from "../api/types";

export interface TreeRow {
  readonly node: Node;
  readonly depth: number;
  /** Position among the siblings: what `path` is made of together with the key. */
  readonly path: string;
  readonly id: string;
  readonly label: string;
  readonly branch: boolean;
  readonly open: boolean;
  /** In a list: the label is an index. */
  readonly indexed: boolean;
  /** Children that the server left out; the row stands for them, not for a field. */
  readonly more: number;
}

/** What is open: rows up to a depth, but for those that somebody toggled. */
export interface Openness {
  readonly depth: number;
  readonly toggled: ReadonlySet<string>;
  readonly all?: boolean;
}

export const isBranch = (node: Node): boolean => (node.children?.length ?? 0) > 0 || (node.more ?? 0) > 0;

/** Well-known types that say it all in one value are closed until somebody looks inside. */
const closedAtFirst = (node: Node): boolean =>
  node.kind === "message" && node.value !== null && node.value !== undefined;

const IDENTIFIER = /^[A-Za-z_][\w]*$/;

/** The path of a child as people write it: `items[0].sku`, `labels["a b"]`. */
export function childPath(parent: string, node: Node, of: Node): string {
  const key = String(node.key);
  if (of.kind === "list") return `${parent}[${key}]`;
  if (of.kind === "map" || !IDENTIFIER.test(key)) return `${parent}[${JSON.stringify(key)}]`;
  return parent === "" ? key : `${parent}.${key}`;
}

export function flatten(root: Node, openness: Openness): TreeRow[] {
  const rows: TreeRow[] = [];
  interface Todo {
    node: Node;
    depth: number;
    path: string;
    id: string;
    parent: Node | null;
    more: number;
  }
  const stack: Todo[] = [];
  const pushChildren = (node: Node, depth: number, path: string, id: string) => {
    if ((node.more ?? 0) > 0) stack.push({ node, depth, path, id: `${id}/+`, parent: node, more: node.more as number });
    const children = node.children ?? [];
    for (let at = children.length - 1; at >= 0; at--) {
      const child = children[at] as Node;
      stack.push({ node: child, depth, path: childPath(path, child, node), id: `${id}/${at}`, parent: node, more: 0 });
    }
  };
  pushChildren(root, 0, "", "");
  for (let todo = stack.pop(); todo !== undefined; todo = stack.pop()) {
    const { node, depth, path, id, parent, more } = todo;
    const branch = more === 0 && isBranch(node);
    const atFirst = depth < openness.depth && !closedAtFirst(node);
    const open = branch && (openness.all === true || openness.toggled.has(id) !== atFirst);
    rows.push({ node, depth, path, id, label: String(node.key), branch, open, indexed: parent?.kind === "list", more });
    if (open) pushChildren(node, depth + 1, path, id);
  }
  return rows;
}

/** How deep a tree may be opened at first so that about `most` rows show. */
export function openingDepth(root: Node, most: number): number {
  let level: readonly Node[] = root.children ?? [];
  let shown = level.length;
  for (let depth = 0; depth < 40; depth++) {
    const below: Node[] = [];
    for (const node of level) {
      if (closedAtFirst(node)) continue;
      for (const child of node.children ?? []) below.push(child);
      if (below.length > most) break;
    }
    if (below.length === 0) return depth + 1;
    shown += below.length;
    if (shown > most) return depth;
    level = below;
  }
  return 40;
}

/** What a search looks at in a row. */
export function searchText({ node, label }: TreeRow): string {
  const value = node.value === null || node.value === undefined ? "" : String(node.value);
  return `${label}\0${value}`.toLowerCase();
}

/** A node as plain JSON, for copying: numbers that JavaScript cannot hold stay strings. */
export function toJson(root: Node): unknown {
  const convert = (node: Node): unknown => {
    if (node.kind === "list") return (node.children ?? []).map(convert);
    if (node.value !== null && node.value !== undefined) return node.value;
    if (node.kind === "message" || node.kind === "map" || node.kind === "any") {
      return Object.fromEntries((node.children ?? []).map((child) => [String(child.key), convert(child)]));
    }
    return node.value ?? null;
  };
  return convert(root);
}
