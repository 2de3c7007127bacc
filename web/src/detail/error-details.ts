/** Status details of google.rpc (error_details.proto) as table rows. Pure. */

import type { StatusDetail } from "../api/types";

export interface Row {
  readonly name: string;
  readonly value: string;
  readonly href?: string;
}

export interface Layout {
  readonly title: string;
  /** Null for types other than those of google.rpc. */
  readonly rows: readonly Row[] | null;
}

type Json = Readonly<Record<string, unknown>>;
const record = (value: unknown): Json =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {};
const list = (value: unknown): Json[] => (Array.isArray(value) ? value.map(record) : []);
const text = (value: unknown): string =>
  value === null || value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value);

const row = (name: string, value: unknown): Row[] => (text(value) === "" ? [] : [{ name, value: text(value) }]);

/** A link, if the URL is http(s). */
function link(name: string, url: unknown): Row[] {
  const address = text(url);
  return /^https?:\/\//i.test(address) ? [{ name, value: address, href: address }] : row(name, url);
}

/** `quotaMetric` → "quota metric". */
const words = (key: string): string => key.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

/** The fields `first` in one line, then any other fields, so that those of newer versions are shown too. */
function describe(json: Json, first: readonly string[], omitted: readonly string[], between = " · "): string {
  const main = first.map((key) => text(json[key])).filter((part) => part !== "");
  const others = Object.entries(json).flatMap(([key, value]) =>
    first.includes(key) || omitted.includes(key) || text(value) === "" ? [] : [`${words(key)}: ${textOf(value)}`],
  );
  return [main.join(between), ...others].filter((part) => part !== "").join("\n");
}

/** A localized message or a map as text, without braces. */
function textOf(value: unknown): string {
  const { locale, message, ...more } = record(value);
  if (typeof message === "string" && Object.keys(more).length === 0)
    return `${message}${text(locale) === "" ? "" : ` (${text(locale)})`}`;
  const entries = Object.entries(record(value));
  return entries.length === 0 ? text(value) : entries.map(([key, item]) => `${key}=${text(item)}`).join(", ");
}

const map = (value: unknown): Row[] => Object.entries(record(value)).flatMap(([key, item]) => row(key, item));

const LAYOUTS: Readonly<Record<string, { title: string; rows: (json: Json) => Row[] }>> = {
  BadRequest: {
    title: "Bad request",
    rows: (json) =>
      list(json.fieldViolations).map((item) => ({
        name: text(item.field) || "(request)",
        value: describe(item, ["description", "reason"], ["field"]),
      })),
  },
  RetryInfo: { title: "Retry", rows: (json) => row("after", json.retryDelay) },
  ErrorInfo: {
    title: "Error",
    rows: (json) => [...row("reason", json.reason), ...row("domain", json.domain), ...map(json.metadata)],
  },
  DebugInfo: {
    title: "Debug",
    rows: (json) => [
      ...row("detail", json.detail),
      ...(Array.isArray(json.stackEntries) ? row("stack", json.stackEntries.map(text).join("\n")) : []),
    ],
  },
  QuotaFailure: {
    title: "Quota",
    rows: (json) =>
      list(json.violations).map((item) => ({
        name: text(item.subject),
        value: describe(item, ["description"], ["subject"]),
      })),
  },
  PreconditionFailure: {
    title: "Precondition",
    rows: (json) =>
      list(json.violations).map((item) => ({
        name: text(item.type),
        value: describe(item, ["subject", "description"], ["type"], ": "),
      })),
  },
  RequestInfo: {
    title: "Request",
    rows: (json) => [...row("request id", json.requestId), ...row("serving data", json.servingData)],
  },
  ResourceInfo: {
    title: "Resource",
    rows: (json) => [
      ...row("type", json.resourceType),
      ...row("name", json.resourceName),
      ...row("owner", json.owner),
      ...row("description", json.description),
    ],
  },
  Help: {
    title: "Help",
    rows: (json) => list(json.links).flatMap((item) => link(text(item.description) || "link", item.url)),
  },
  LocalizedMessage: { title: "Message for users", rows: (json) => row(text(json.locale) || "message", json.message) },
};

/** A detail as one line of text. */
export function detailLine(detail: StatusDetail): string {
  const { rows } = detailLayout(detail);
  if (rows === null) return detail.error ?? text(detail.json);
  return rows
    .map(({ name, value }) => `${name}: ${value}`)
    .join("; ")
    .replaceAll("\n", " · ");
}

export function detailLayout({ type, json }: StatusDetail): Layout {
  const name = type.slice(type.lastIndexOf(".") + 1);
  const layout = type === `google.rpc.${name}` ? LAYOUTS[name] : undefined;
  return layout === undefined ? { title: name, rows: null } : { title: layout.title, rows: layout.rows(record(json)) };
}
