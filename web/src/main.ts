/** Mounts the inspector with its first rows. Everything it does afterwards hangs off `App.svelte`. */

import { mount } from "svelte";
import type { CallsPage } from "./api/types";
import App from "./shell/App.svelte";
import "./theme/tokens.css";
import "./theme/base.css";

const target = document.getElementById("app");
if (target === null) throw new Error("index.html has no #app");

/**
 * The newest calls, which Loom writes into the page: mounted with them, it is laid out once, and asks nothing first.
 * Vite's server writes none; the feed brings them then.
 */
function firstCalls(): CallsPage | null {
  const written = document.getElementById("first-calls");
  if (written === null) return null;
  written.remove();
  return JSON.parse(written.textContent ?? "null") as CallsPage | null;
}

mount(App, { target, props: { first: firstCalls() } });
