/** What Loom reports about itself: the feed's connection, its greeting and its statistics. */

import { api } from "../api/client";
import type { Hello, Stats } from "../api/types";
import type { Connection } from "../feed/feed";

export const STATS_SECONDS = 120;

/** Statistics of one second, as the strip draws them. */
export interface SecondStats {
  readonly at_us: number;
  readonly rate: number;
  readonly errors: number;
  readonly p50_us: number | null;
  readonly p95_us: number | null;
  readonly in_flight: number;
}

export class ServerStatus {
  connection = $state.raw<Connection>({ state: "connecting" });
  hello = $state.raw<Hello | null>(null);
  stats = $state.raw<Stats | null>(null);
  /** The last `STATS_SECONDS` seconds. */
  recentSeconds = $state.raw<readonly SecondStats[]>([]);
  /** Updates that the server skipped, and whether the history was fetched since. */
  skippedUpdates = $state.raw<{ readonly missed: number; readonly fetched: boolean } | null>(null);

  /** Name of the file opened read-only, or "". Nothing can be changed or sent then. */
  get readOnly(): string {
    return this.hello?.read_only ?? "";
  }

  /** Every call of this id and up is in memory; null if a session on disk has none that are not. */
  get oldestInMemory(): number | null {
    const session = this.stats?.sinks?.session;
    const oldest = this.stats?.complete_from ?? 1;
    return session && session.error === "" && oldest > 1 ? oldest : null;
  }

  addStats(stats: Stats): void {
    this.stats = stats;
    this.recentSeconds = [...this.recentSeconds.slice(1 - STATS_SECONDS), toSecondStats(stats)];
  }

  /** Fetch the statistics from before the page was opened or while it was hidden. */
  async loadRecentSeconds(): Promise<void> {
    try {
      const { series } = await api.stats();
      this.recentSeconds = series.slice(-STATS_SECONDS).map(([at_us, rate, errors, p50_us, p95_us, in_flight]) => ({
        at_us,
        rate,
        errors,
        p50_us,
        p95_us,
        in_flight,
      }));
    } catch {
      // The strip then starts with the statistics of the feed.
    }
  }

  historyFetched(): void {
    if (this.skippedUpdates !== null) this.skippedUpdates = { ...this.skippedUpdates, fetched: true };
  }
}

const toSecondStats = (stats: Stats): SecondStats => ({
  at_us: stats.now_us,
  rate: stats.rate,
  errors: stats.error_rate,
  p50_us: stats.p50_us,
  p95_us: stats.p95_us,
  in_flight: stats.in_flight,
});
