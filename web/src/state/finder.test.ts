import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Summary } from "../api/types";
import { Finder } from "./finder.svelte";

/** Stands in for the browser's, and lets a test be the server. */
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

  it("asks the server for what is older than memory, once the typing rests", () => {
    const changed = vi.fn();
    const finder = new Finder(changed, () => 100);
    finder.set("status:NOT");
    finder.set("status:NOT_FOUND");
    expect(Source.opened).toHaveLength(0);
    vi.runAllTimers();
    expect(Source.opened.map(({ q }) => q)).toEqual(["status:NOT_FOUND id:<100"]);
    Source.opened[0]?.send("found", { ids: [7, 3], calls: [call(7), call(3)] });
    expect(finder.older.map(({ id }) => id)).toEqual([3, 7]);
    expect(finder.matches(call(3))).toBe(true);
    expect(changed).toHaveBeenCalledTimes(2);
  });

  it("says what could not be read", () => {
    const finder = new Finder(
      () => undefined,
      () => 100,
    );
    finder.set("status:NOT_FOUND");
    vi.runAllTimers();
    Source.opened[0]?.send("done", { searched: 1, found: 0, problems: ["batch 2 is damaged"] });
    expect(finder.progress).toMatchObject({ running: false, error: "", problems: ["batch 2 is damaged"] });
  });

  it("forgets what it found, and cancels, with the next filter", () => {
    const finder = new Finder(
      () => {},
      () => 100,
    );
    finder.set("status:NOT_FOUND");
    vi.runAllTimers();
    Source.opened[0]?.send("found", { ids: [3], calls: [call(3)] });
    finder.set("");
    vi.runAllTimers();
    expect(finder.older).toEqual([]);
    expect(Source.opened).toHaveLength(1);
    expect(Source.opened[0]?.closed).toBe(true);
  });

  it("does not ask where memory holds everything", () => {
    const finder = new Finder(() => {});
    finder.set("status:NOT_FOUND");
    vi.runAllTimers();
    expect(Source.opened).toHaveLength(0);
  });

  it("shows what a search of bodies finds on disk, too", () => {
    const finder = new Finder(
      () => {},
      () => 100,
    );
    finder.set("body:alice");
    expect(Source.opened.map(({ q }) => q)).toEqual(["body:alice"]);
    Source.opened[0]?.send("found", { ids: [3, 120], calls: [call(3), call(120)] });
    expect(finder.older.map(({ id }) => id)).toEqual([3]);
    expect(finder.matches(call(120))).toBe(true);
    expect(finder.matches(call(121))).toBe(false);
  });
});
