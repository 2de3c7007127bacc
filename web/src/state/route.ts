/**
 * The page's address: `/calls/12/status?message=3&q=kind:bidi`. Every call, tab, message and
 * filter has one that survives a reload.
 */

export const TABS = ["messages", "metadata", "status", "timing", "schema", "replay"] as const;
export type Tab = (typeof TABS)[number];

export interface Place {
  readonly call: number | null;
  readonly tab: Tab;
  readonly message: number | null;
  readonly filter: string;
}

export const START: Place = { call: null, tab: "messages", message: null, filter: "" };

const PATH = /^\/calls\/(\d{1,15})(?:\/([a-z]+))?\/?$/;

export function readPlace(address: { pathname: string; search: string }): Place {
  const match = PATH.exec(address.pathname);
  const query = new URLSearchParams(address.search);
  const tab = TABS.find((name) => name === match?.[2]) ?? "messages";
  const message = query.get("message");
  return {
    call: match?.[1] === undefined ? null : Number(match[1]),
    tab,
    message: message !== null && /^\d{1,15}$/.test(message) ? Number(message) : null,
    filter: query.get("q") ?? "",
  };
}

export function writePlace(place: Place): string {
  const query = new URLSearchParams();
  if (place.call !== null && place.message !== null) query.set("message", String(place.message));
  if (place.filter !== "") query.set("q", place.filter);
  const tab = place.tab === "messages" ? "" : `/${place.tab}`;
  const path = place.call === null ? "/" : `/calls/${place.call}${tab}`;
  const text = query.toString();
  return text === "" ? path : `${path}?${text}`;
}
