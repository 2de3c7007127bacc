/** The page's URL, `/calls/12/status?message=3&q=kind:bidi&rules=`: open call, tab, message, filter and drawer. */

export const TABS = ["messages", "metadata", "status", "timing", "schema", "replay"] as const;
export type Tab = (typeof TABS)[number];

export interface Route {
  readonly call: number | null;
  readonly tab: Tab;
  readonly message: number | null;
  readonly filter: string;
  /** Whether the drawer of rules is open. */
  readonly acting: boolean;
  /** The rule in the drawer's editor: a name, or `new:N` for draft N of a new one; null for the list. */
  readonly rule: string | null;
  /** The calls, as a filter, of the breakpoint in the drawer's form; null for none. */
  readonly breakpoint: string | null;
  /** The held item that is open. */
  readonly held: number | null;
}

export const DEFAULT_ROUTE: Route = {
  call: null,
  tab: "messages",
  message: null,
  filter: "",
  acting: false,
  rule: null,
  breakpoint: null,
  held: null,
};

const PATH = /^\/calls\/(\d{1,15})(?:\/([a-z]+))?\/?$/;

export function parseRoute(address: { pathname: string; search: string }): Route {
  const match = PATH.exec(address.pathname);
  const query = new URLSearchParams(address.search);
  const tab = TABS.find((name) => name === match?.[2]) ?? "messages";
  const number = (name: string): number | null => {
    const text = query.get(name);
    return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : null;
  };
  return {
    call: match?.[1] === undefined ? null : Number(match[1]),
    tab,
    message: number("message"),
    filter: query.get("q") ?? "",
    acting: ["rules", "rule", "breakpoint"].some((name) => query.has(name)),
    rule: query.get("rule"),
    breakpoint: query.get("breakpoint"),
    held: number("held"),
  };
}

export function formatRoute(route: Route): string {
  const query = new URLSearchParams();
  if (route.call !== null && route.message !== null) query.set("message", String(route.message));
  if (route.filter !== "") query.set("q", route.filter);
  if (route.acting && route.rule !== null) query.set("rule", route.rule);
  else if (route.acting && route.breakpoint !== null) query.set("breakpoint", route.breakpoint);
  else if (route.acting) query.set("rules", "");
  if (route.held !== null) query.set("held", String(route.held));
  const tab = route.tab === "messages" ? "" : `/${route.tab}`;
  const path = route.call === null ? "/" : `/calls/${route.call}${tab}`;
  const text = query.toString();
  return text === "" ? path : `${path}?${text}`;
}
