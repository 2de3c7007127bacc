/** Entry point: mounts `App.svelte` with the first calls. */

import { mount } from "svelte";
import type { CallsPage } from "./api/types";
import App from "./shell/App.svelte";
import "./theme/tokens.css";
import "./theme/base.css";

const target = document.getElementById("app");
if (target === null) throw new Error("index.html has no #app");

/** The newest calls, embedded in the page by Loom (not by Vite's server), so that the first rows need no request. */
function firstCalls(): CallsPage | null {
  const element = document.getElementById("first-calls");
  if (element === null) return null;
  element.remove();
  return JSON.parse(element.textContent ?? "null") as CallsPage | null;
}

mount(App, { target, props: { first: firstCalls() } });
