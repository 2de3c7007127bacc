/**
 * Loom's time, between two statistics by the browser's monotonic clock, so that durations of calls in flight tick.
 *
 * It never goes back by the jitter of the network, only by a real change of Loom's clock.
 */

const TICK_MS = 100;
/** A step back by more than this is a change of Loom's clock. */
const MAX_JITTER_US = 2_000_000;

export class Clock {
  /** µs; null before the first statistics. */
  now = $state<number | null>(null);
  private offset: number | null = null;

  sync(serverTime: number): void {
    this.offset = serverTime - performance.now() * 1_000;
    this.tick();
  }

  /** Tick until the returned function is called; not while the tab is hidden. */
  start(): () => void {
    const timer = setInterval(() => !document.hidden && this.tick(), TICK_MS);
    return () => clearInterval(timer);
  }

  private tick(): void {
    if (this.offset === null) return;
    const estimate = Math.round(performance.now() * 1_000 + this.offset);
    if (this.now === null || estimate > this.now || estimate < this.now - MAX_JITTER_US) this.now = estimate;
  }
}
