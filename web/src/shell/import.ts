/** Files of calls join what is recorded: chosen in the menu, or dropped on the page. */

import { api } from "../api/client";
import { plural } from "../format/units";
import type { Inspector } from "../state/inspector.svelte";

const SHOWN_PROBLEMS = 3;

export async function importFiles(files: readonly File[], inspector: Inspector): Promise<void> {
  for (const file of files) {
    try {
      const { imported, problems } = await api.take(file);
      const hidden = problems.length - SHOWN_PROBLEMS;
      const hint = [...problems.slice(0, SHOWN_PROBLEMS), ...(hidden > 0 ? [`and ${hidden} more`] : [])].join("; ");
      const tone = problems.length > 0 ? "bad" : "ok";
      inspector.notices.say(`${plural(imported, "call")} imported from ${file.name}.`, tone, undefined, hint);
    } catch (error) {
      inspector.fail(error);
    }
  }
}

/** What the browser would open instead of the page is taken in, unless something of the page (an editor) took it. */
export function dropped(event: DragEvent, inspector: Inspector): void {
  const data = event.dataTransfer;
  if (event.defaultPrevented || data === null || !data.types.includes("Files")) return;
  if (inspector.calls.readOnly !== "") return;
  event.preventDefault();
  if (event.type === "drop") void importFiles([...data.files], inspector);
}
