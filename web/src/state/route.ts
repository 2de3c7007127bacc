/** The page's URL, `/calls/12/status?message=3&q=kind:bidi`: open call, tab, message and filter. */

export const TABS = ["messages", "metadata", "status", "timing", "schema", "replay"] as const;
export type Tab = (typeof TABS)[number];

export interface Route {
  readonly call: number | null;
  readonly tab: Tab;
  readonly message: number | null;
  readonly filter: string;
}

export const DEFAULT_ROUTE: Route = { call: null, tab: "messages", message: null, filter: "" };

const PATH = /^\/calls\/(\d{1,15})(?:\/([a-z]+))?\/?$/;

export function parseRoute(address: { pathname: string; search: string }): Route {
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

export function formatRoute(route: Route): string {
  const query = new URLSearchParams();
  if (route.call !== null && route.message !== null) query.set("message", String(route.message));
  if (route.filter !== "") query.set("q", route.filter);
  const tab = route.tab === "messages" ? "" : `/${route.tab}`;
  const path = route.call === null ? "/" : `/calls/${route.call}${tab}`;
  const text = query.toString();
  return text === "" ? path : `${path}?${text}`;
}
