import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Summary } from "../api/types";
import { CallFilter } from "./call-filter.svelte";

/** A fake EventSource; the test sends the server's events. */
class Source {
  static opened: Source[] = [];
  closed = false;
  onerror: (() => void) | null = null;
  private readonly handlers = new Map<string, (event: { data: string }) => void>();

  constructor(readonly url: string) {
    Source.opened.push(this);
  }

  get q(): string {
    return new URL(this.url, "http://loom").searchParams.get("q") ?? "";
  }

  addEventListener(name: string, handle: (event: { data: string }) => void): void {
    this.handlers.set(name, handle);
  }

  send(name: string, data: unknown): void {
    this.handlers.get(name)?.({ data: JSON.stringify(data) });
  }

  close(): void {
    this.closed = true;
  }
}

const call = (id: number): Summary =>
  ({
    id,
    method: "/acme.Shop/Get",
    status: { code: 5, name: "NOT_FOUND", message: "" },
    state: "ended",
    flags: [],
    rules: [],
    faults: [],
  }) as unknown as Summary;

describe("a filter over a session on disk", () => {
  beforeEach(() => {
    Source.opened = [];
    vi.useFakeTimers();
    vi.stubGlobal("EventSource", Source);
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  it("searches older calls on the server after a delay", () => {
    const changed = vi.fn();
    const filter = new CallFilter(changed, () => 100);
    filter.set("status:NOT");
    filter.set("status:NOT_FOUND");
    expect(Source.opened).toHaveLength(0);
    vi.runAllTimers();
    expect(Source.opened.map(({ q }) => q)).toEqual(["status:NOT_FOUND id:<100"]);
    Source.opened[0]?.send("found", { ids: [7, 3], calls: [call(7), call(3)] });
    expect(filter.olderCalls.map(({ id }) => id)).toEqual([3, 7]);
    expect(filter.matches(call(3))).toBe(true);
    expect(changed).toHaveBeenCalledTimes(2);
  });

  it("reports what could not be read", () => {
    const filter = new CallFilter(
      () => undefined,
      () => 100,
    );
    filter.set("status:NOT_FOUND");
    vi.runAllTimers();
    Source.opened[0]?.send("done", { searched: 1, found: 0, problems: ["batch 2 is damaged"] });
    expect(filter.progress).toMatchObject({ running: false, error: "", problems: ["batch 2 is damaged"] });
  });

  it("discards results and cancels the search when the filter changes", () => {
    const filter = new CallFilter(
      () => {},
      () => 100,
    );
    filter.set("status:NOT_FOUND");
    vi.runAllTimers();
    Source.opened[0]?.send("found", { ids: [3], calls: [call(3)] });
    filter.set("");
    vi.runAllTimers();
    expect(filter.olderCalls).toEqual([]);
    expect(Source.opened).toHaveLength(1);
    expect(Source.opened[0]?.closed).toBe(true);
  });

  it("does not search if nothing older is on disk", () => {
    const filter = new CallFilter(() => {});
    filter.set("status:NOT_FOUND");
    vi.runAllTimers();
    expect(Source.opened).toHaveLength(0);
  });

  it("includes calls on disk in a search of bodies", () => {
    const filter = new CallFilter(
      () => {},
      () => 100,
    );
    filter.set("body:alice");
    expect(Source.opened.map(({ q }) => q)).toEqual(["body:alice"]);
    Source.opened[0]?.send("found", { ids: [3, 120], calls: [call(3), call(120)] });
    expect(filter.olderCalls.map(({ id }) => id)).toEqual([3]);
    expect(filter.matches(call(120))).toBe(true);
    expect(filter.matches(call(121))).toBe(false);
  });
});
