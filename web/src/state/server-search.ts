/** The server's search, in memory and on disk, as an event stream. */

import type { ErrorAnswer, SearchDone, SearchFound, SearchProgress, Summary } from "../api/types";

export interface SearchListener {
  progress(searched: number, of: number): void;
  found(calls: readonly Summary[]): void;
  /** `problems` says what could not be read, one line each. */
  done(problems: readonly string[]): void;
  failed(message: string): void;
}

/** Start a search. The returned function cancels it, also on the server. */
export function searchCalls(q: string, listener: SearchListener): () => void {
  const source = new EventSource(`/api/search?q=${encodeURIComponent(q)}`);
  const close = () => source.close();
  const on = (name: string, handle: (data: unknown) => void) =>
    source.addEventListener(name, (event) => handle(JSON.parse((event as MessageEvent<string>).data)));
  on("progress", (data) => {
    const { searched, of } = data as SearchProgress;
    listener.progress(searched, of);
  });
  on("found", (data) => listener.found((data as SearchFound).calls));
  on("failed", (data) => {
    close();
    listener.failed((data as ErrorAnswer).error?.message ?? "Search failed");
  });
  on("done", (data) => {
    close();
    listener.done((data as SearchDone).problems ?? []);
  });
  source.onerror = () => {
    close(); // otherwise the browser reconnects and restarts the search
    listener.failed("Search interrupted: connection lost");
  };
  return close;
}
