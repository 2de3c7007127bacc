/** Mounts the inspector with its first rows. Everything it does afterwards hangs off `App.svelte`. */

import { mount } from "svelte";
import { api } from "./api/client";
import type { CallsPage } from "./api/types";
import { FIRST_PAGE } from "./feed/feed";
import App from "./shell/App.svelte";
import "./theme/tokens.css";
import "./theme/base.css";

const target = document.getElementById("app");
if (target === null) throw new Error("index.html has no #app");

/** A page that shows nothing for longer looks broken: it mounts empty then, and the feed brings the rows. */
const PATIENCE_MS = 150;

/**
 * The newest calls, which index.html asks for while this script is still on its way. Mounted with them, the page is
 * laid out once; mounted without, once more when they come.
 */
function firstCalls(): Promise<CallsPage | null> {
  const late = new Promise<null>((resolve) => setTimeout(resolve, PATIENCE_MS, null));
  return Promise.race([api.calls(FIRST_PAGE).catch(() => null), late]); // the feed says what is wrong
}

void firstCalls().then((first) => mount(App, { target, props: { first } }));
