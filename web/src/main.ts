/** Mounts the inspector. Everything it does afterwards hangs off `App.svelte`. */

import { mount } from "svelte";
import App from "./shell/App.svelte";
import "./theme/tokens.css";
import "./theme/base.css";

const target = document.getElementById("app");
if (target === null) throw new Error("index.html has no #app");
mount(App, { target });
