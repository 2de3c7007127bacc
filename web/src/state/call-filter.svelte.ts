/**
 * The active filter: its text, the last valid query, and the results of the server's search.
 *
 * The server searches for terms that need metadata or bodies, and among older calls that are only on disk.
 */

import type { Summary } from "../api/types";
import { FilterError } from "../filter/filter-error";
import { MATCH_ALL, parseFilter, type Query } from "../filter/query";
import { searchCalls } from "./server-search";

export interface SearchState {
  readonly searched: number;
  readonly of: number;
  readonly running: boolean;
  readonly error: string;
  /** Parts of the session that could not be read. */
  readonly problems: readonly string[];
}

const RECHECK_MS = 1_500;
const MAX_IDS = 300;
/** Delay after the last change of the filter before older calls on disk are searched. */
const OLDER_DELAY_MS = 600;
const MAX_OLDER = 10_000;

export class CallFilter {
  text = $state("");
  error = $state.raw<FilterError | null>(null);
  progress = $state.raw<SearchState | null>(null);
  query: Query = MATCH_ALL;
  private matchedIds = new Set<number>();
  private olderById = new Map<number, Summary>();
  private readonly pending = new Set<number>();
  private cancelSearch: (() => void) | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * `onChange` is called when the set of matching calls has changed; `oldestInMemory` returns the id of the oldest
   * call in memory, or null if nothing older is on disk.
   */
  constructor(
    private readonly onChange: () => void,
    private readonly oldestInMemory: () => number | null = () => null,
  ) {}

  /** Matching calls that are only on disk, sorted by id. */
  get olderCalls(): readonly Summary[] {
    return [...this.olderById.values()].sort((a, b) => a.id - b.id);
  }

  readonly matches = (call: Summary): boolean => {
    return this.query.matches(call) ?? this.matchedIds.has(call.id);
  };

  /** Set the filter. If `text` is invalid, the last valid query stays in force. */
  set(text: string): void {
    this.text = text;
    try {
      const query = parseFilter(text);
      this.error = null;
      if (query.text === this.query.text) return;
      this.query = query;
    } catch (error) {
      if (!(error instanceof FilterError)) throw error;
      this.error = error;
      return;
    }
    this.stop();
    this.matchedIds = new Set();
    this.olderById = new Map();
    this.progress = null;
    if (this.query.needsServer) this.searchServer(this.query.text);
    else this.searchOlder();
    this.onChange();
  }

  cancel(): void {
    this.stop();
    if (this.progress !== null) this.progress = { ...this.progress, running: false };
  }

  /** Search calls that arrived or changed since the last search, after a delay. */
  recheck(calls: readonly Summary[]): void {
    if (!this.query.needsServer) return;
    for (const call of calls) {
      if (!this.matchedIds.has(call.id) && this.query.matches(call) === null) this.pending.add(call.id);
    }
    if (this.pending.size > 0 && this.cancelSearch === null && this.timer === undefined) {
      this.timer = setTimeout(() => this.searchPending(), RECHECK_MS);
    }
  }

  /** Search the older calls on disk for a filter that the page evaluates itself. */
  private searchOlder(): void {
    const oldest = this.oldestInMemory();
    if (oldest === null || this.query.text.trim() === "") return;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.searchServer(`${this.query.text} id:<${oldest}`);
    }, OLDER_DELAY_MS);
  }

  private searchPending(): void {
    this.timer = undefined;
    const ids = [...this.pending];
    this.pending.clear();
    if (ids.length === 0) return;
    const range = ids.length <= MAX_IDS ? ids.join(",") : `>=${Math.min(...ids)}`;
    this.searchServer(`${this.query.text} id:${range}`);
  }

  private stop(): void {
    this.cancelSearch?.();
    this.cancelSearch = null;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.pending.clear();
  }

  private searchServer(q: string): void {
    const show = (searched: number, of: number, running: boolean, error = "", problems: readonly string[] = []) => {
      this.progress = { searched, of, running, error, problems };
    };
    show(0, 0, true);
    this.cancelSearch = searchCalls(q, {
      progress: (searched, of) => show(searched, of, true),
      found: (calls) => {
        const oldest = this.oldestInMemory();
        for (const call of calls) {
          this.matchedIds.add(call.id);
          if (oldest !== null && call.id < oldest && this.olderById.size < MAX_OLDER) this.olderById.set(call.id, call);
        }
        this.onChange();
      },
      done: (problems) => {
        this.cancelSearch = null;
        show(this.progress?.searched ?? 0, this.progress?.of ?? 0, false, "", problems);
        if (this.pending.size > 0) this.timer = setTimeout(() => this.searchPending(), RECHECK_MS);
      },
      failed: (message) => {
        this.cancelSearch = null;
        show(0, 0, false, message);
      },
    });
  }
}
