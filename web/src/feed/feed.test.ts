import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { CallsPage, Hello, Summary } from "../api/types";
import { type Connection, Feed, type FeedListener } from "./feed";
import { sampleCall } from "./sample-call";

/** A fake EventSource; the test sends the server's events. */
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
  ({
    calls: [sampleCall(1)],
    total: 1,
    oldest_id: 1,
    complete_from: 1,
    evicted: 0,
    boot: "a",
    seq: 1,
    more: false,
    ...changes,
  }) as CallsPage;
const hello = (changes: Partial<Hello> = {}): Hello => ({ boot: "a", seq: 1, resumed: false, ...changes }) as Hello;
const source = (): Source => Source.opened.at(-1) as Source;

describe("the feed", () => {
  let frames: (() => void)[] = [];
  let seen: { connection: Connection[]; batches: (readonly Summary[])[]; gaps: number[]; pages: boolean[] };
  let requested: string[] = [];
  let fireVisibilityChange: ((event: Event) => void) | undefined;
  const tab = { hidden: false };
  let stop: () => void;

  beforeEach(() => {
    Source.opened = [];
    frames = [];
    requested = [];
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
      addEventListener: (_: string, handle: (event: Event) => void) => (fireVisibilityChange = handle),
      removeEventListener: () => {},
    });
    vi.stubGlobal("fetch", async (address: string) => {
      requested.push(address);
      return new Response(JSON.stringify(page()), { headers: { "content-type": "application/json" } });
    });
    const listener: FeedListener = {
      onConnection: (connection) => seen.connection.push(connection),
      onHello: () => {},
      onCalls: (batch) => seen.batches.push(batch),
      onStats: () => {},
      onGap: (missed) => seen.gaps.push(missed),
      onCleared: () => {},
      onBreakpoints: () => {},
      onHistoryFetch: () => {},
      onHistory: (_, { complete }) => seen.pages.push(complete),
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

  it("flushes calls once per frame", async () => {
    await greeted();
    for (let id = 1; id <= 300; id++) source().send("calls", [sampleCall(id), sampleCall(id + 1000)], `a:${id}`);
    expect(frames).toHaveLength(1);
    expect(seen.batches).toHaveLength(0);
    frames[0]?.();
    expect(seen.batches.map(({ length }) => length)).toEqual([600]);
    source().send("calls", [sampleCall(9)], "a:301");
    expect(frames).toHaveLength(2);
  });

  it("reconnects with back-off and resumes by the last id", async () => {
    await greeted();
    source().send("calls", [sampleCall(1)], "a:17");
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

  it("fetches the history initially, after a gap and after a restart, not when resumed", async () => {
    await greeted();
    expect(requested).toHaveLength(1);
    source().onerror?.();
    await vi.advanceTimersByTimeAsync(500);
    await greeted({ resumed: true });
    expect(requested).toHaveLength(1);
    source().send("gap", { missed: 40 }, "a:50");
    await vi.advanceTimersByTimeAsync(1);
    expect(seen.gaps).toEqual([40]);
    expect(requested).toHaveLength(2);
    source().onerror?.();
    await vi.advanceTimersByTimeAsync(500);
    await greeted({ boot: "b" });
    expect(requested).toHaveLength(3);
    expect(seen.gaps).toEqual([40]);
  });

  it("closes while the tab is hidden, and resumes", async () => {
    await greeted();
    source().send("calls", [sampleCall(1)], "a:5");
    tab.hidden = true;
    fireVisibilityChange?.(new Event("visibilitychange"));
    expect(source().closed).toBe(true);
    expect(seen.connection.at(-1)).toEqual({ state: "hidden" });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(Source.opened).toHaveLength(1);
    tab.hidden = false;
    fireVisibilityChange?.(new Event("visibilitychange"));
    expect(source().url).toBe("/api/events?last=a%3A5");
  });

  it("retries a failed fetch of the history", async () => {
    vi.stubGlobal("fetch", async (address: string) => {
      requested.push(address);
      if (requested.length === 1) throw new TypeError("no network");
      return new Response(JSON.stringify(page()));
    });
    await greeted();
    expect(seen.pages).toEqual([]);
    await vi.advanceTimersByTimeAsync(1_001);
    expect(seen.pages).toEqual([true]);
  });
});
