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

const map = (value: unknown): Row[] => Object.entries(record(value)).flatMap(([key, one]) => row(key, one));

const LAYOUTS: Readonly<Record<string, { title: string; rows: (json: Json) => Row[] }>> = {
  BadRequest: {
    title: "Bad request",
    rows: (json) =>
      list(json.fieldViolations).map((one) => ({
        name: text(one.field) || "(request)",
        value: [text(one.description), text(one.reason)].filter((part) => part !== "").join(" · "),
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
    rows: (json) => list(json.violations).map((one) => ({ name: text(one.subject), value: text(one.description) })),
  },
  PreconditionFailure: {
    title: "Precondition",
    rows: (json) =>
      list(json.violations).map((one) => ({
        name: text(one.type),
        value: [text(one.subject), text(one.description)].filter((part) => part !== "").join(": "),
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

export function layoutOf({ type, json }: StatusDetail): Layout {
  const name = type.slice(type.lastIndexOf(".") + 1);
  const known = type === `google.rpc.${name}` ? LAYOUTS[name] : undefined;
  return known === undefined ? { title: name, rows: null } : { title: known.title, rows: known.rows(record(json)) };
}
