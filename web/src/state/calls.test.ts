import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { CallsPage, Hello, Summary } from "../api/types";
import { sampleCall } from "../feed/sample-call";
import { Calls } from "./calls.svelte";

/** A fake EventSource; the test sends the server's events. */
class Source {
  static last: Source;
  onerror: (() => void) | null = null;
  private readonly handlers = new Map<string, (event: { data: string; lastEventId: string }) => void>();

  constructor() {
    Source.last = this;
  }

  addEventListener(name: string, handle: (event: { data: string; lastEventId: string }) => void): void {
    this.handlers.set(name, handle);
  }

  send(name: string, data: unknown): void {
    this.handlers.get(name)?.({ data: JSON.stringify(data), lastEventId: "" });
  }

  close(): void {}
}

describe("the calls of the page", () => {
  let calls: Calls;
  let stop: () => void;
  let frames: (() => void)[];
  let answerHistory: (calls: readonly Summary[]) => Promise<void>;

  beforeEach(() => {
    frames = [];
    vi.useFakeTimers();
    vi.stubGlobal("EventSource", Source);
    vi.stubGlobal("requestAnimationFrame", (frame: () => void) => frames.push(frame));
    vi.stubGlobal("cancelAnimationFrame", () => {});
    vi.stubGlobal("window", { addEventListener: () => {}, removeEventListener: () => {} });
    vi.stubGlobal("document", { hidden: false, addEventListener: () => {}, removeEventListener: () => {} });
    vi.stubGlobal("fetch", (address: string) => {
      if (!address.startsWith("/api/calls?")) return new Promise(() => {});
      return new Promise((resolve) => {
        answerHistory = async (page) => {
          const body: Partial<CallsPage> = { calls: [...page], more: false };
          resolve(new Response(JSON.stringify(body)));
          await vi.advanceTimersByTimeAsync(1);
        };
      });
    });
    calls = new Calls();
    stop = calls.feed.start();
  });

  afterEach(() => {
    stop();
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  const connect = (boot = "a", resumed = false) =>
    Source.last.send("hello", { boot, resumed, stats: { oldest_id: 0 } } as Partial<Hello>);
  const update = (...batch: Summary[]) => Source.last.send("calls", batch);
  const frame = () => frames.at(-1)?.();
  const ids = () => calls.rows.map(({ id }) => id);

  it("keep a call that arrives while the first page of the history is on its way", async () => {
    connect();
    update(sampleCall(1));
    frame();
    expect(ids()).toEqual([1]);
    await answerHistory([]);
    expect(ids()).toEqual([1]);
  });

  it("drop what a later history no longer has", async () => {
    connect();
    await answerHistory([sampleCall(1), sampleCall(2)]);
    Source.last.send("gap", { missed: 1 });
    update(sampleCall(3));
    frame();
    await answerHistory([sampleCall(2)]);
    expect(ids()).toEqual([2, 3]);
  });

  it("drop calls of a previous run that were not shown when Loom was restarted", async () => {
    connect();
    await answerHistory([]);
    update(sampleCall(7));
    Source.last.onerror?.();
    await vi.advanceTimersByTimeAsync(500);
    connect("b");
    frame();
    await answerHistory([sampleCall(1)]);
    expect(ids()).toEqual([1]);
  });
});
