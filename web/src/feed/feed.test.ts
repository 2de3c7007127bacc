import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { CallsPage, Hello, Summary } from "../api/types";
import { type Connection, Feed, type Listener } from "./feed";
import { sample } from "./sample";

/** Stands in for the browser's EventSource, and lets a test be the server. */
class Source {
  static opened: Source[] = [];
  closed = false;
  onerror: (() => void) | null = null;
  private readonly handlers = new Map<string, (event: { data: string; lastEventId: string }) => void>();

  constructor(readonly url: string) {
    Source.opened.push(this);
  }

  addEventListener(name: string, handle: (event: { data: string; lastEventId: string }) => void): void {
    this.handlers.set(name, handle);
  }

  send(name: string, data: unknown, lastEventId = ""): void {
    this.handlers.get(name)?.({ data: JSON.stringify(data), lastEventId });
  }

  close(): void {
    this.closed = true;
  }
}

const page = (changes: Partial<CallsPage> = {}): CallsPage =>
  ({ calls: [sample(1)], total: 1, oldest_id: 1, evicted: 0, boot: "a", seq: 1, more: false, ...changes }) as CallsPage;
const hello = (changes: Partial<Hello> = {}): Hello => ({ boot: "a", seq: 1, resumed: false, ...changes }) as Hello;
const source = (): Source => Source.opened.at(-1) as Source;

describe("the feed", () => {
  let frames: (() => void)[] = [];
  let seen: { connection: Connection[]; batches: (readonly Summary[])[]; gaps: number[]; pages: boolean[] };
  let asked: string[] = [];
  let away: ((event: Event) => void) | undefined;
  const tab = { hidden: false };
  let stop: () => void;

  beforeEach(() => {
    Source.opened = [];
    frames = [];
    asked = [];
    tab.hidden = false;
    seen = { connection: [], batches: [], gaps: [], pages: [] };
    vi.useFakeTimers();
    vi.stubGlobal("EventSource", Source);
    vi.stubGlobal("requestAnimationFrame", (frame: () => void) => frames.push(frame));
    vi.stubGlobal("cancelAnimationFrame", () => {});
    vi.stubGlobal("window", { addEventListener: () => {}, removeEventListener: () => {} });
    vi.stubGlobal("document", {
      get hidden() {
        return tab.hidden;
      },
      addEventListener: (_: string, handle: (event: Event) => void) => (away = handle),
      removeEventListener: () => {},
    });
    vi.stubGlobal("fetch", async (address: string) => {
      asked.push(address);
      return new Response(JSON.stringify(page()), { headers: { "content-type": "application/json" } });
    });
    const listener: Listener = {
      connection: (connection) => seen.connection.push(connection),
      hello: () => {},
      calls: (batch) => seen.batches.push(batch),
      stats: () => {},
      gap: (missed) => seen.gaps.push(missed),
      cleared: () => {},
      history: (_, { complete }) => seen.pages.push(complete),
    };
    stop = new Feed(listener).start();
  });

  afterEach(() => {
    stop();
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  const greeted = async (changes: Partial<Hello> = {}) => {
    source().send("hello", hello(changes), "a:1");
    await vi.advanceTimersByTimeAsync(1);
  };

  it("hands on what came since the last frame, once a frame", async () => {
    await greeted();
    for (let id = 1; id <= 300; id++) source().send("calls", [sample(id), sample(id + 1000)], `a:${id}`);
    expect(frames).toHaveLength(1);
    expect(seen.batches).toHaveLength(0);
    frames[0]?.();
    expect(seen.batches.map(({ length }) => length)).toEqual([600]);
    source().send("calls", [sample(9)], "a:301");
    expect(frames).toHaveLength(2);
  });

  it("is one connection, resumed by the last id, retried later each time", async () => {
    await greeted();
    source().send("calls", [sample(1)], "a:17");
    const waits: number[] = [];
    for (let attempt = 0; attempt < 7; attempt++) {
      const before = Source.opened.length;
      source().onerror?.();
      expect(source().closed).toBe(true);
      const lost = seen.connection.at(-1);
      waits.push(lost?.state === "lost" ? lost.retryAt - Date.now() : -1);
      await vi.advanceTimersByTimeAsync(waits.at(-1) ?? 0);
      expect(Source.opened).toHaveLength(before + 1);
      expect(Source.opened.filter(({ closed }) => !closed)).toHaveLength(1);
      expect(source().url).toBe("/api/events?last=a%3A17");
    }
    expect(waits).toEqual([500, 1000, 2000, 4000, 8000, 8000, 8000]);
  });

  it("fetches the history at first, after a gap, and of another launch, and not when it was resumed", async () => {
    await greeted();
    expect(asked).toHaveLength(1);
    source().onerror?.();
    await vi.advanceTimersByTimeAsync(500);
    await greeted({ resumed: true });
    expect(asked).toHaveLength(1);
    source().send("gap", { missed: 40 }, "a:50");
    await vi.advanceTimersByTimeAsync(1);
    expect(seen.gaps).toEqual([40]);
    expect(asked).toHaveLength(2);
    source().onerror?.();
    await vi.advanceTimersByTimeAsync(500);
    await greeted({ boot: "b" });
    expect(asked).toHaveLength(3);
    expect(seen.gaps).toEqual([40]);
  });

  it("closes while nobody looks, and catches up on return", async () => {
    await greeted();
    source().send("calls", [sample(1)], "a:5");
    tab.hidden = true;
    away?.(new Event("visibilitychange"));
    expect(source().closed).toBe(true);
    expect(seen.connection.at(-1)).toEqual({ state: "hidden" });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(Source.opened).toHaveLength(1);
    tab.hidden = false;
    away?.(new Event("visibilitychange"));
    expect(source().url).toBe("/api/events?last=a%3A5");
  });

  it("tries again to fetch a history that failed", async () => {
    vi.stubGlobal("fetch", async (address: string) => {
      asked.push(address);
      if (asked.length === 1) throw new TypeError("no network");
      return new Response(JSON.stringify(page()));
    });
    await greeted();
    expect(seen.pages).toEqual([]);
    await vi.advanceTimersByTimeAsync(1_001);
    expect(seen.pages).toEqual([true]);
  });
});
