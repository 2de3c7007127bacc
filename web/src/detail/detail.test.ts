import { describe, expect, test } from "vitest";
import type { Timing } from "../api/types";
import { sampleCall } from "../feed/sample-call";
import { analyzeDeadline, callPhases, heldSpans } from "./deadline";
import { columnAt, buildMinimap } from "./stream-minimap";
import { parseDeadline, parseMessages, parseMetadata } from "./replay-form";
import { detailLayout, detailLine } from "./error-details";
import { Timeline, type TimelineShape } from "./stream-timeline";

describe("the stream timeline", () => {
  const shape = (changes: Partial<TimelineShape>): TimelineShape => ({
    total: 6,
    halfClosedAfter: null,
    gap: null,
    ended: false,
    ...changes,
  });
  const kinds = (changes: Partial<TimelineShape>) => {
    const timeline = new Timeline(shape(changes));
    return Array.from({ length: timeline.length }, (_, at) => {
      const item = timeline.item(at);
      return item?.kind === "message" ? item.index : item?.kind;
    });
  };
  test("has rows for half-close and trailers", () => {
    expect(kinds({ halfClosedAfter: 2, ended: true })).toEqual([0, 1, "half-close", 2, 3, 4, 5, "trailers"]);
    expect(kinds({ halfClosedAfter: 0 })).toEqual(["half-close", 0, 1, 2, 3, 4, 5]);
    expect(kinds({ halfClosedAfter: 9 })).toEqual([0, 1, 2, 3, 4, 5, "half-close"]);
    expect(kinds({ total: 0, ended: true })).toEqual(["trailers"]);
  });
  test("shows dropped messages as one row", () => {
    expect(kinds({ gap: [2, 4] })).toEqual([0, 1, "dropped", 4, 5]);
    expect(kinds({ gap: [2, 4], halfClosedAfter: 3 })).toEqual([0, 1, "dropped", "half-close", 4, 5]);
    expect(kinds({ gap: [2, 4], halfClosedAfter: 1, ended: true })).toEqual([
      0,
      "half-close",
      1,
      "dropped",
      4,
      5,
      "trailers",
    ]);
  });
  test("looks up rows of a million messages", () => {
    const timeline = new Timeline(shape({ total: 1_000_000, halfClosedAfter: 1, gap: [64, 900_000] }));
    expect(timeline.length).toBe(100_066);
    expect(timeline.item(timeline.rowOf(999_999))).toEqual({ kind: "message", index: 999_999 });
    expect(timeline.item(timeline.rowOf(500_000))).toMatchObject({ kind: "dropped" });
  });
});

describe("the deadline analysis", () => {
  const timing = (changes: Partial<Timing>): Timing => ({
    started_us: 1_000_000,
    initial_us: null,
    first_request_us: 1_000_500,
    last_request_us: 1_000_500,
    first_response_us: null,
    last_response_us: null,
    half_closed_us: 1_000_700,
    half_closed_after: 1,
    ended_us: 1_402_000,
    deadline_us: 1_400_000,
    held: [],
    ...changes,
  });
  test("computes the remaining time at each event", () => {
    const call = sampleCall(1, { ended_by: "deadline", status: { code: 4, name: "DEADLINE_EXCEEDED", message: "" } });
    const analysis = analyzeDeadline(call, timing({}), 0);
    expect(analysis.timeout).toBe(400_000);
    expect(analysis.events.map(({ name, remaining }) => [name, remaining])).toEqual([
      ["call started", 400_000],
      ["request", 399_500],
      ["half-close", 399_300],
      ["deadline", 0],
      ["deadline expired", -2_000],
    ]);
    expect(analysis.summary).toBe("The deadline expired before the backend responded.");
  });
  test("distinguishes a cancelling client from a cancelling backend", () => {
    const cancelled = { code: 1, name: "CANCELLED", message: "" };
    const by = (ended_by: "client" | "backend") =>
      analyzeDeadline(sampleCall(1, { ended_by, status: cancelled }), timing({}), 0).summary;
    expect(by("client")).toContain("client cancelled before");
    expect(by("backend")).toBe("The backend returned CANCELLED.");
  });
  test("leaves a far deadline out of the scale", () => {
    expect(analyzeDeadline(sampleCall(1), timing({ deadline_us: 9_999_000_000 }), 0).span).toBeLessThan(500_000);
    expect(analyzeDeadline(sampleCall(1), timing({ deadline_us: null }), 0).timeout).toBeNull();
  });
  test("says that a call never left", () => {
    const refused = sampleCall(1, {
      ended_by: "loom",
      status: { code: 14, name: "UNAVAILABLE", message: "Loom could not reach the target a:1: connection refused" },
    });
    expect(analyzeDeadline(refused, timing({}), 0).summary).toContain("never left Loom");
    const unanswered = timing({ initial_us: null, first_response_us: null, last_response_us: null });
    const phases = callPhases({ ...refused, timing: unanswered }, 0);
    expect(phases.map(({ side }) => side)).toEqual(["client", "loom"]);
    expect(phases.at(-1)?.name).toBe("not sent: no connection to the target");
  });
  test("says when breakpoints held items, from the start of the call", () => {
    expect(
      heldSpans(
        timing({
          started_us: 1_000_000,
          held: [
            [1_000_100, 1_000_300],
            [1_000_500, 1_000_600],
          ],
        }),
      ),
    ).toEqual([
      { from: 100, to: 300 },
      { from: 500, to: 600 },
    ]);
  });
  test("splits the call into phases", () => {
    expect(
      callPhases(
        { ...sampleCall(1), timing: timing({ first_response_us: 1_100_000, last_response_us: 1_300_000 }) },
        0,
      ).map(({ name }) => name),
    ).toEqual(["sending the request", "waiting for the first response", "receiving responses", "finishing"]);
  });
});

test("the minimap counts the messages that samples stand for", () => {
  const minimap = buildMinimap(
    [
      [0, 0, 0, 1],
      [100, 50, 1, 1],
      [200, 99, 1, 1],
    ],
    300,
    0,
    100,
    10,
  );
  expect(minimap.columns.map(({ up, down }) => up + down)).toEqual([100, 0, 0, 0, 0, 100, 0, 0, 0, 100]);
  expect(minimap.columns.map(({ index }) => index)).toEqual([0, 100, 100, 100, 100, 100, 200, 200, 200, 200]);
  expect(minimap.peak).toBe(100);
  expect(columnAt(-5, 0, 10, 4)).toBe(0);
});

describe("error details", () => {
  const rows = (type: string, json: unknown) =>
    detailLayout({ type, json, error: null }).rows?.map(({ name, value }) => [name, value]);
  test("are tables by type", () => {
    expect(rows("google.rpc.BadRequest", { fieldViolations: [{ field: "email", description: "no @" }] })).toEqual([
      ["email", "no @"],
    ]);
    expect(rows("google.rpc.RetryInfo", { retryDelay: "1.5s" })).toEqual([["after", "1.5s"]]);
    expect(rows("google.rpc.ErrorInfo", { reason: "R", domain: "d", metadata: { a: "b" } })).toEqual([
      ["reason", "R"],
      ["domain", "d"],
      ["a", "b"],
    ]);
    expect(rows("acme.Own", {})).toBeUndefined();
  });
  test("show fields of newer versions of their type", () => {
    const violation = {
      field: "sku",
      description: "unknown",
      reason: "SKU",
      localizedMessage: { locale: "de", message: "unbekannt" },
    };
    expect(rows("google.rpc.BadRequest", { fieldViolations: [violation] })).toEqual([
      ["sku", "unknown · SKU\nlocalized message: unbekannt (de)"],
    ]);
    const quota = {
      subject: "ip",
      description: "used up",
      quotaMetric: "cpus",
      quotaDimensions: { region: "eu" },
      quotaValue: "10",
    };
    expect(rows("google.rpc.QuotaFailure", { violations: [quota] })).toEqual([
      ["ip", "used up\nquota metric: cpus\nquota dimensions: region=eu\nquota value: 10"],
    ]);
  });
  test("can be formatted as one line", () => {
    const line = (type: string, json: unknown) => detailLine({ type, json, error: null });
    const violations = [
      { field: "a", description: "is missing" },
      { field: "b", description: "is wrong", reason: "R" },
    ];
    expect(line("google.rpc.BadRequest", { fieldViolations: violations })).toBe("a: is missing; b: is wrong · R");
    expect(line("acme.Own", { left: 3 })).toBe('{"left":3}');
  });
  test("of the wrong shape are empty", () => {
    for (const json of [null, 7, "x", [], { fieldViolations: 3 }])
      expect(rows("google.rpc.BadRequest", json)).toEqual([]);
  });
  test("link only to http(s) URLs", () => {
    const help = (url: string) =>
      detailLayout({ type: "google.rpc.Help", json: { links: [{ description: "d", url }] }, error: null }).rows?.[0]
        ?.href;
    expect(help("https://example.com")).toBe("https://example.com");
    expect(help("javascript:alert(1)")).toBeUndefined();
  });
});

test("metadata and messages are parsed", () => {
  expect(parseMetadata("x-tenant: 42\n\nTrace-Bin: AAE=")).toEqual([
    { key: "x-tenant", value: "42", binary: false },
    { key: "trace-bin", value: "AAE=", binary: true },
  ]);
  expect(() => parseMetadata("ok: 1\nno colon")).toThrow("line 2: expected key: value");
  expect(parseMessages('{"big": 9223372036854775807}', true)).toBe('[{"big": 9223372036854775807}]');
  expect(() => parseMessages("{}", false)).toThrow("Expected a list");
  expect(() => parseMessages("{", true)).toThrow("Not valid JSON");
});

test("a changed deadline is sent; an empty one means none", () => {
  expect(parseDeadline("4997", "4997")).toBeUndefined();
  expect(parseDeadline(" ", "4997")).toBe(0);
  expect(parseDeadline("", "")).toBeUndefined();
  expect(parseDeadline(" 250.5 ", "4997")).toBe(250.5);
  expect(parseDeadline("0", "4997")).toBe(0);
  for (const text of ["abc", "-1", "1e999", "5s", "0x10"]) {
    expect(() => parseDeadline(text, "4997")).toThrow(expect.objectContaining({ field: "deadline_ms" }));
  }
});
