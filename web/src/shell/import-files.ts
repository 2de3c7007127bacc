/** Import of files into the history: chosen in the menu, or dropped on the page. */

import { api } from "../api/client";
import { pluralize } from "../format/units";
import type { Inspector } from "../state/inspector.svelte";

const MAX_PROBLEMS = 3;

export async function importFiles(files: readonly File[], inspector: Inspector): Promise<void> {
  for (const file of files) {
    try {
      const { imported, problems } = await api.importFile(file);
      const hidden = problems.length - MAX_PROBLEMS;
      const hint = [...problems.slice(0, MAX_PROBLEMS), ...(hidden > 0 ? [`and ${hidden} more`] : [])].join("; ");
      const tone = problems.length > 0 ? "bad" : "ok";
      inspector.notices.show(`Imported ${pluralize(imported, "call")} from ${file.name}.`, tone, undefined, hint);
    } catch (error) {
      inspector.reportError(error);
    }
  }
}

/** Import dropped files, unless an element of the page (an editor) handles the drop. */
export function dropped(event: DragEvent, inspector: Inspector): void {
  const data = event.dataTransfer;
  if (event.defaultPrevented || data === null || !data.types.includes("Files")) return;
  if (inspector.calls.server.readOnly !== "") return;
  event.preventDefault();
  if (event.type === "drop") void importFiles([...data.files], inspector);
}
