import { describe, expect, test } from "vitest";
import type { Timing } from "../api/types";
import { sample } from "../feed/sample";
import { lensOf, phasesOf } from "./lens";
import { columnOf, railOf } from "./rail";
import { readDeadline, readMessages, readMetadata } from "./resend";
import { layoutOf, lineOf } from "./status_layout";
import { Timeline, type TimelineShape } from "./timeline";

describe("timeline", () => {
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
  test("half-close and trailers stand among the messages", () => {
    expect(kinds({ halfClosedAfter: 2, ended: true })).toEqual([0, 1, "half-close", 2, 3, 4, 5, "trailers"]);
    expect(kinds({ halfClosedAfter: 0 })).toEqual(["half-close", 0, 1, 2, 3, 4, 5]);
    expect(kinds({ halfClosedAfter: 9 })).toEqual([0, 1, 2, 3, 4, 5, "half-close"]);
    expect(kinds({ total: 0, ended: true })).toEqual(["trailers"]);
  });
  test("what was dropped is one row", () => {
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
  test("a million messages are found at once", () => {
    const timeline = new Timeline(shape({ total: 1_000_000, halfClosedAfter: 1, gap: [64, 900_000] }));
    expect(timeline.length).toBe(100_066);
    expect(timeline.item(timeline.rowOf(999_999))).toEqual({ kind: "message", index: 999_999 });
    expect(timeline.item(timeline.rowOf(500_000))).toMatchObject({ kind: "dropped" });
  });
});

describe("the deadline lens", () => {
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
    ...changes,
  });
  test("says what was left of the budget when each side acted", () => {
    const call = sample(1, { ended_by: "deadline", status: { code: 4, name: "DEADLINE_EXCEEDED", message: "" } });
    const lens = lensOf(call, timing({}), 0);
    expect(lens.budget).toBe(400_000);
    expect(lens.moments.map(({ name, left }) => [name, left])).toEqual([
      ["call started", 400_000],
      ["request", 399_500],
      ["half-close", 399_300],
      ["deadline", 0],
      ["deadline passed", -2_000],
    ]);
    expect(lens.verdict).toBe("The deadline passed while the backend had not answered yet.");
  });
  test("tells a cancelling client from a cancelling backend", () => {
    const cancelled = { code: 1, name: "CANCELLED", message: "" };
    const by = (ended_by: "client" | "backend") =>
      lensOf(sample(1, { ended_by, status: cancelled }), timing({}), 0).verdict;
    expect(by("client")).toContain("client cancelled before");
    expect(by("backend")).toBe("The backend itself answered CANCELLED.");
  });
  test("a budget of hours does not squash a call of milliseconds", () => {
    expect(lensOf(sample(1), timing({ deadline_us: 9_999_000_000 }), 0).span).toBeLessThan(500_000);
    expect(lensOf(sample(1), timing({ deadline_us: null }), 0).budget).toBeNull();
  });
  test("phases cover the call", () => {
    expect(
      phasesOf({ timing: timing({ first_response_us: 1_100_000, last_response_us: 1_300_000 }) }, 0).map(
        ({ name }) => name,
      ),
    ).toEqual(["until the first request", "waiting for the backend", "responses", "until the trailers"]);
  });
});

test("the rail counts what the samples stand for", () => {
  const rail = railOf(
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
  expect(rail.columns.map(({ up, down }) => up + down)).toEqual([100, 0, 0, 0, 0, 100, 0, 0, 0, 100]);
  expect(rail.columns.map(({ index }) => index)).toEqual([0, 100, 100, 100, 100, 100, 200, 200, 200, 200]);
  expect(rail.peak).toBe(100);
  expect(columnOf(-5, 0, 10, 4)).toBe(0);
});

describe("error details", () => {
  const rows = (type: string, json: unknown) =>
    layoutOf({ type, json, error: null }).rows?.map(({ name, value }) => [name, value]);
  test("are laid out by type", () => {
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
  test("lose nothing that a newer version of their type has", () => {
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
  test("are one line each where the error is first seen", () => {
    const line = (type: string, json: unknown) => lineOf({ type, json, error: null });
    const violations = [
      { field: "a", description: "is missing" },
      { field: "b", description: "is wrong", reason: "R" },
    ];
    expect(line("google.rpc.BadRequest", { fieldViolations: violations })).toBe("a: is missing; b: is wrong · R");
    expect(line("acme.Own", { left: 3 })).toBe('{"left":3}');
  });
  test("of the wrong shape break nothing", () => {
    for (const json of [null, 7, "x", [], { fieldViolations: 3 }])
      expect(rows("google.rpc.BadRequest", json)).toEqual([]);
  });
  test("link only to the web", () => {
    const help = (url: string) =>
      layoutOf({ type: "google.rpc.Help", json: { links: [{ description: "d", url }] }, error: null }).rows?.[0]?.href;
    expect(help("https://example.com")).toBe("https://example.com");
    expect(help("javascript:alert(1)")).toBeUndefined();
  });
});

test("what is typed to be sent", () => {
  expect(readMetadata("x-tenant: 42\n\nTrace-Bin: AAE=")).toEqual([
    { key: "x-tenant", value: "42", binary: false },
    { key: "trace-bin", value: "AAE=", binary: true },
  ]);
  expect(() => readMetadata("ok: 1\nno colon")).toThrow("line 2");
  expect(readMessages('{"big": 9223372036854775807}', true)).toBe('[{"big": 9223372036854775807}]');
  expect(() => readMessages("{}", false)).toThrow("a list");
  expect(() => readMessages("{", true)).toThrow("no JSON");
});

test("a deadline is sent where it was changed, and emptied it is none", () => {
  expect(readDeadline("4997", "4997")).toBeUndefined();
  expect(readDeadline(" ", "4997")).toBe(0);
  expect(readDeadline("", "")).toBeUndefined();
  expect(readDeadline(" 250.5 ", "4997")).toBe(250.5);
  expect(readDeadline("0", "4997")).toBe(0);
  for (const text of ["abc", "-1", "1e999", "5s", "0x10"]) {
    expect(() => readDeadline(text, "4997")).toThrow(expect.objectContaining({ field: "deadline_ms" }));
  }
});
