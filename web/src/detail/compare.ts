/** A structural comparison of two JSON values, as the API does for calls. Without recursion. */

import type { Change } from "../api/types";

/** A pattern of `ignore`: `*` stands for one name or index. */
function matcher(pattern: string): RegExp {
  const source = pattern
    .replace(/[\\^$.+?()[\]{}|]/g, "\\$&")
    .replaceAll("\\[\\*\\]", "\\[\\d+\\]")
    .replaceAll("*", "[^.[]*");
  return new RegExp(`^${source}(?:$|[.[])`);
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export function compareJson(left: unknown, right: unknown, ignore: readonly string[] = []): Change[] {
  const ignored = ignore.filter((path) => path !== "").map(matcher);
  const changes: Change[] = [];
  const stack: { path: string; left: unknown; right: unknown }[] = [{ path: "", left, right }];
  for (let pair = stack.pop(); pair !== undefined; pair = stack.pop()) {
    const { path, left: a, right: b } = pair;
    if (a === b || ignored.some((pattern) => pattern.test(path))) continue;
    if (Array.isArray(a) && Array.isArray(b)) {
      for (let at = Math.max(a.length, b.length) - 1; at >= 0; at--) {
        stack.push({ path: `${path}[${at}]`, left: a[at], right: b[at] });
      }
    } else if (isObject(a) && isObject(b)) {
      const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
      for (const key of [...keys].reverse()) {
        stack.push({ path: path === "" ? key : `${path}.${key}`, left: a[key], right: b[key] });
      }
    } else {
      const kind = a === undefined ? "added" : b === undefined ? "removed" : "changed";
      changes.push({ where: "message", path, kind, left: a, right: b });
    }
  }
  return changes;
}
