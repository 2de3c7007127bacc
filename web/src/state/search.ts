/** Searching on the server, in memory and on disk: progress, results as they come, cancel. */

import type { Summary } from "../api/types";

export interface SearchListener {
  progress(searched: number, of: number): void;
  found(calls: readonly Summary[]): void;
  /** `problems` are lines about what could not be read. */
  done(problems: readonly string[]): void;
  failed(message: string): void;
}

/** Starts a search; the returned function cancels it, on the server too. */
export function search(q: string, listener: SearchListener): () => void {
  const source = new EventSource(`/api/search?q=${encodeURIComponent(q)}`);
  const close = () => source.close();
  const on = (name: string, handle: (data: unknown) => void) =>
    source.addEventListener(name, (event) => handle(JSON.parse((event as MessageEvent<string>).data)));
  on("progress", (data) => {
    const { searched, of } = data as { searched: number; of: number };
    listener.progress(searched, of);
  });
  on("found", (data) => listener.found((data as { calls: Summary[] }).calls));
  on("failed", (data) => {
    close();
    listener.failed((data as { error?: { message?: string } }).error?.message ?? "the search failed");
  });
  on("done", (data) => {
    close();
    listener.done((data as { problems?: readonly string[] }).problems ?? []);
  });
  source.onerror = () => {
    close(); // or the browser would start the whole search again
    listener.failed("the search was interrupted");
  };
  return close;
}
