/**
 * The filter as it is applied: the text, the last query that could be read, and what the
 * server found: for terms that summaries cannot answer, and among calls that only the session on disk holds.
 */

import type { Summary } from "../api/types";
import { FilterError } from "../filter/error";
import { EVERYTHING, parse, type Query } from "../filter/query";
import { search } from "./search";

export interface SearchProgress {
  readonly searched: number;
  readonly of: number;
  readonly running: boolean;
  readonly error: string;
  /** What the server could not read. */
  readonly problems: readonly string[];
}

const RESEARCH_MS = 1_500;
const IDS_AT_ONCE = 300;
/** How long the typing must rest before the session on disk is read for a filter that the page can answer. */
const OLDER_MS = 600;
const MOST_OLDER = 10_000;

export class Finder {
  text = $state("");
  error = $state.raw<FilterError | null>(null);
  progress = $state.raw<SearchProgress | null>(null);
  query: Query = EVERYTHING;
  private found = new Set<number>();
  private olderFound = new Map<number, Summary>();
  private readonly pending = new Set<number>();
  private cancelSearch: (() => void) | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * `changed` is called when other rows match than before; `olderThan` answers the call from which on
   * memory holds everything, null if there is nothing older on disk.
   */
  constructor(
    private readonly changed: () => void,
    private readonly olderThan: () => number | null = () => null,
  ) {}

  /** Calls that match and that only the session on disk holds, by id. */
  get older(): readonly Summary[] {
    return [...this.olderFound.values()].sort((a, b) => a.id - b.id);
  }

  readonly matches = (call: Summary): boolean => {
    const answer = this.query.answer(call);
    return answer ?? this.found.has(call.id);
  };

  /** A filter that cannot be read keeps the last good one in force. */
  set(text: string): void {
    this.text = text;
    try {
      const query = parse(text);
      this.error = null;
      if (query.text === this.query.text) return;
      this.query = query;
    } catch (error) {
      if (!(error instanceof FilterError)) throw error;
      this.error = error;
      return;
    }
    this.stop();
    this.found = new Set();
    this.olderFound = new Map();
    this.progress = null;
    if (this.query.needsServer) this.run(this.query.text);
    else this.runOlder();
    this.changed();
  }

  cancel(): void {
    this.stop();
    if (this.progress !== null) this.progress = { ...this.progress, running: false };
  }

  /** Calls that came or changed after the search went by: they are searched too, in a while. */
  noticed(calls: readonly Summary[]): void {
    if (!this.query.needsServer) return;
    for (const call of calls) {
      if (!this.found.has(call.id) && this.query.answer(call) === null) this.pending.add(call.id);
    }
    if (this.pending.size > 0 && this.cancelSearch === null && this.timer === undefined) {
      this.timer = setTimeout(() => this.searchPending(), RESEARCH_MS);
    }
  }

  /** What summaries can tell, the page tells of what it holds; the rest of the session is the server's to read. */
  private runOlder(): void {
    const oldest = this.olderThan();
    if (oldest === null || this.query.text.trim() === "") return;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.run(`${this.query.text} id:<${oldest}`);
    }, OLDER_MS);
  }

  private searchPending(): void {
    this.timer = undefined;
    const ids = [...this.pending];
    this.pending.clear();
    if (ids.length === 0) return;
    const which = ids.length <= IDS_AT_ONCE ? ids.join(",") : `>=${Math.min(...ids)}`;
    this.run(`${this.query.text} id:${which}`);
  }

  private stop(): void {
    this.cancelSearch?.();
    this.cancelSearch = null;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.pending.clear();
  }

  private run(q: string): void {
    const show = (searched: number, of: number, running: boolean, error = "", problems: readonly string[] = []) => {
      this.progress = { searched, of, running, error, problems };
    };
    show(0, 0, true);
    this.cancelSearch = search(q, {
      progress: (searched, of) => show(searched, of, true),
      found: (calls) => {
        const oldest = this.olderThan();
        for (const call of calls) {
          this.found.add(call.id);
          if (oldest !== null && call.id < oldest && this.olderFound.size < MOST_OLDER)
            this.olderFound.set(call.id, call);
        }
        this.changed();
      },
      done: (problems) => {
        this.cancelSearch = null;
        show(this.progress?.searched ?? 0, this.progress?.of ?? 0, false, "", problems);
        if (this.pending.size > 0) this.timer = setTimeout(() => this.searchPending(), RESEARCH_MS);
      },
      failed: (message) => {
        this.cancelSearch = null;
        show(0, 0, false, message);
      },
    });
  }
}
