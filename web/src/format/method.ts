/** The parts of a method's path, `/package.Service/Method`, ready to be shown: what a font would hide is an escape. */

import { visible } from "../json/text";

export interface MethodParts {
  readonly pkg: string;
  readonly service: string;
  readonly name: string;
}

const known = new Map<string, MethodParts>();

export function methodParts(path: string): MethodParts {
  const cached = known.get(path);
  if (cached !== undefined) return cached;
  const trimmed = visible(path.replace(/^\/+/, ""));
  const slash = trimmed.lastIndexOf("/");
  const full = slash < 0 ? "" : trimmed.slice(0, slash);
  const dot = full.lastIndexOf(".");
  const parts = { pkg: full.slice(0, dot + 1), service: full.slice(dot + 1), name: trimmed.slice(slash + 1) };
  if (known.size > 5_000) known.clear(); // paths come from the network: do not keep them all
  known.set(path, parts);
  return parts;
}

export const KINDS = {
  unary: { icon: "→", label: "unary" },
  server: { icon: "⇇", label: "server" },
  client: { icon: "⇉", label: "client" },
  bidi: { icon: "⇄", label: "bidi" },
} as const;

/** A peer as people write it: `[::1]:55462` for gRPC's `ipv6:%5B::1%5D:55462`. */
export function peerName(peer: string): string {
  return visible(peer)
    .replace(/^ipv[46]:/, "")
    .replaceAll("%5B", "[")
    .replaceAll("%5D", "]")
    .replaceAll("%25", "%");
}
