/** The standard error details of google.rpc (error_details.proto) as rows to read. Pure. */

import type { StatusDetail } from "../api/types";

export interface Row {
  readonly name: string;
  readonly value: string;
  readonly href?: string;
}

export interface Layout {
  readonly title: string;
  /** Null: a type without a layout of its own, or not of the shape that its type has. */
  readonly rows: readonly Row[] | null;
}

type Json = Readonly<Record<string, unknown>>;
const record = (value: unknown): Json =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {};
const list = (value: unknown): Json[] => (Array.isArray(value) ? value.map(record) : []);
const text = (value: unknown): string =>
  value === null || value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value);

const row = (name: string, value: unknown): Row[] => (text(value) === "" ? [] : [{ name, value: text(value) }]);

/** Only addresses that a browser may be sent to. */
function link(name: string, url: unknown): Row[] {
  const address = text(url);
  return /^https?:\/\//i.test(address) ? [{ name, value: address, href: address }] : row(name, url);
}

/** `quotaMetric` as people write it. */
const words = (key: string): string => key.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

/** Some of a violation's parts in one line; then whatever else it has, so that nothing of a newer kind is lost. */
function said(json: Json, first: readonly string[], shown: readonly string[], between = " · "): string {
  const main = first.map((key) => text(json[key])).filter((part) => part !== "");
  const others = Object.entries(json).flatMap(([key, value]) =>
    first.includes(key) || shown.includes(key) || text(value) === "" ? [] : [`${words(key)}: ${textOf(value)}`],
  );
  return [main.join(between), ...others].filter((part) => part !== "").join("\n");
}

/** A localized message, or a map of texts, without its braces. */
function textOf(value: unknown): string {
  const { locale, message, ...more } = record(value);
  if (typeof message === "string" && Object.keys(more).length === 0)
    return `${message}${text(locale) === "" ? "" : ` (${text(locale)})`}`;
  const entries = Object.entries(record(value));
  return entries.length === 0 ? text(value) : entries.map(([key, one]) => `${key}=${text(one)}`).join(", ");
}

const map = (value: unknown): Row[] => Object.entries(record(value)).flatMap(([key, one]) => row(key, one));

const LAYOUTS: Readonly<Record<string, { title: string; rows: (json: Json) => Row[] }>> = {
  BadRequest: {
    title: "Bad request",
    rows: (json) =>
      list(json.fieldViolations).map((one) => ({
        name: text(one.field) || "(request)",
        value: said(one, ["description", "reason"], ["field"]),
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
      list(json.violations).map((one) => ({ name: text(one.subject), value: said(one, ["description"], ["subject"]) })),
  },
  PreconditionFailure: {
    title: "Precondition",
    rows: (json) =>
      list(json.violations).map((one) => ({
        name: text(one.type),
        value: said(one, ["subject", "description"], ["type"], ": "),
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
    rows: (json) => list(json.links).flatMap((one) => link(text(one.description) || "link", one.url)),
  },
  LocalizedMessage: { title: "Message for users", rows: (json) => row(text(json.locale) || "message", json.message) },
};

/** A detail in one line, for where there is no room for more. */
export function lineOf(detail: StatusDetail): string {
  const { rows } = layoutOf(detail);
  if (rows === null) return detail.error ?? text(detail.json);
  return rows
    .map(({ name, value }) => `${name}: ${value}`)
    .join("; ")
    .replaceAll("\n", " · ");
}

export function layoutOf({ type, json }: StatusDetail): Layout {
  const name = type.slice(type.lastIndexOf(".") + 1);
  const known = type === `google.rpc.${name}` ? LAYOUTS[name] : undefined;
  return known === undefined ? { title: name, rows: null } : { title: known.title, rows: known.rows(record(json)) };
}
