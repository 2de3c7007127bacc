/** Parts of a method path, `/package.Service/Method`, with invisible characters escaped for display. */

import { escapeInvisible } from "../json/text";

export interface MethodParts {
  readonly pkg: string;
  readonly service: string;
  readonly name: string;
}

const cache = new Map<string, MethodParts>();

export function methodParts(path: string): MethodParts {
  const cached = cache.get(path);
  if (cached !== undefined) return cached;
  const trimmed = escapeInvisible(path.replace(/^\/+/, ""));
  const slash = trimmed.lastIndexOf("/");
  const full = slash < 0 ? "" : trimmed.slice(0, slash);
  const dot = full.lastIndexOf(".");
  const parts = { pkg: full.slice(0, dot + 1), service: full.slice(dot + 1), name: trimmed.slice(slash + 1) };
  if (cache.size > 5_000) cache.clear(); // paths come from the network: bound the cache
  cache.set(path, parts);
  return parts;
}

export const KINDS = {
  unary: { icon: "→", label: "unary" },
  server: { icon: "⇇", label: "server" },
  client: { icon: "⇉", label: "client" },
  bidi: { icon: "⇄", label: "bidi" },
} as const;

/** A peer address for display: `[::1]:55462` for gRPC's `ipv6:%5B::1%5D:55462`. */
export function peerName(peer: string): string {
  return escapeInvisible(peer)
    .replace(/^ipv[46]:/, "")
    .replaceAll("%5B", "[")
    .replaceAll("%5D", "]")
    .replaceAll("%25", "%");
}
