/** Flatten a decoded message (a tree of nodes, docs/reference/api.md) into rows, without recursion. */

import type { Node } from "../api/types";

export interface TreeRow {
  readonly node: Node;
  readonly depth: number;
  /** Path of the field, as in `items[0].sku`. */
  readonly path: string;
  /** Unique in the tree: the indices from the root. */
  readonly id: string;
  readonly label: string;
  readonly branch: boolean;
  readonly open: boolean;
  /** Whether the label is a list index. */
  readonly indexed: boolean;
  /** If positive, the row stands for this many children that the server omitted. */
  readonly more: number;
}

/** Which rows are expanded: those above `depth`, except toggled ones; or `all`. */
export interface Expansion {
  readonly depth: number;
  readonly toggled: ReadonlySet<string>;
  readonly all?: boolean;
}

export const isBranch = (node: Node): boolean => (node.children?.length ?? 0) > 0 || (node.more ?? 0) > 0;

/** Well-known types that are shown as one value start collapsed. */
const isInitiallyClosed = (node: Node): boolean =>
  node.kind === "message" && node.value !== null && node.value !== undefined;

const IDENTIFIER = /^[A-Za-z_][\w]*$/;

/** The path of a child: `items[0].sku`, `labels["a b"]`. */
export function childPath(parent: string, node: Node, of: Node): string {
  const key = String(node.key);
  if (of.kind === "list") return `${parent}[${key}]`;
  if (of.kind === "map" || !IDENTIFIER.test(key)) return `${parent}[${JSON.stringify(key)}]`;
  return parent === "" ? key : `${parent}.${key}`;
}

export function flattenTree(root: Node, expansion: Expansion): TreeRow[] {
  const rows: TreeRow[] = [];
  interface Pending {
    node: Node;
    depth: number;
    path: string;
    id: string;
    parent: Node | null;
    more: number;
  }
  const stack: Pending[] = [];
  const pushChildren = (node: Node, depth: number, path: string, id: string) => {
    if ((node.more ?? 0) > 0) stack.push({ node, depth, path, id: `${id}/+`, parent: node, more: node.more as number });
    const children = node.children ?? [];
    for (let at = children.length - 1; at >= 0; at--) {
      const child = children[at] as Node;
      stack.push({ node: child, depth, path: childPath(path, child, node), id: `${id}/${at}`, parent: node, more: 0 });
    }
  };
  pushChildren(root, 0, "", "");
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { node, depth, path, id, parent, more } = next;
    const branch = more === 0 && isBranch(node);
    const initiallyOpen = depth < expansion.depth && !isInitiallyClosed(node);
    const open = branch && (expansion.all === true || expansion.toggled.has(id) !== initiallyOpen);
    rows.push({ node, depth, path, id, label: String(node.key), branch, open, indexed: parent?.kind === "list", more });
    if (open) pushChildren(node, depth + 1, path, id);
  }
  return rows;
}

/** The depth to expand initially so that at most about `limit` rows are shown. */
export function initialDepth(root: Node, limit: number): number {
  let level: readonly Node[] = root.children ?? [];
  let count = level.length;
  for (let depth = 0; depth < 40; depth++) {
    const below: Node[] = [];
    for (const node of level) {
      if (isInitiallyClosed(node)) continue;
      for (const child of node.children ?? []) below.push(child);
      if (below.length > limit) break;
    }
    if (below.length === 0) return depth + 1;
    count += below.length;
    if (count > limit) return depth;
    level = below;
  }
  return 40;
}

/** The text of a row that a search matches against. */
export function searchText({ node, label }: TreeRow): string {
  const value = node.value === null || node.value === undefined ? "" : String(node.value);
  return `${label}\0${value}`.toLowerCase();
}

/** A node as JSON, for copying; 64-bit integers stay strings. */
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
