/** Error messages of JSON.parse, which differ by browser, in one form. */

/** "Not valid JSON: unexpected end of input (line 1)". */
export function describeJsonError(text: string, error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const reason = message
    .replace(/^JSON\.parse: |^JSON Parse error: /, "")
    .replace(/ (?:in JSON )?at (?:position|line) .*$/s, "")
    .replace(/ (?:in|of the) JSON(?: data)?$|,? "[^]*" is not valid JSON$/, "")
    .replace(/^Unexpected (?:end of (?:JSON input|data)|EOF)$/i, "unexpected end of input");
  const line = lineOf(text, message, reason);
  const where = line === null ? "" : ` (line ${line})`;
  return `Not valid JSON: ${reason.charAt(0).toLowerCase()}${reason.slice(1)}${where}`;
}

/** Null if the browser does not report a position. */
function lineOf(text: string, message: string, reason: string): number | null {
  const line = /line (\d+)/.exec(message)?.[1];
  if (line !== undefined) return Number(line);
  const position = /position (\d+)/.exec(message)?.[1];
  if (position !== undefined) return text.slice(0, Number(position)).split("\n").length;
  if (reason.includes("end of input")) return text.trimEnd().split("\n").length;
  return text.includes("\n") ? null : 1;
}
