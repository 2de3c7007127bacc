/** What values mean: durations, sizes, counts and their comparisons; patterns of text. */

import { FilterError } from "./error";
import type { Value } from "./scanner";

export type HoldsNumber = (found: number) => boolean;
export type HoldsText = (text: string) => boolean;
type Units = Readonly<Record<string, number>>;

export const DURATIONS: Units = { us: 1, µs: 1, μs: 1, ms: 1e3, s: 1e6, m: 60e6, h: 3600e6 };
export const SIZES: Units = { b: 1, kb: 1e3, mb: 1e6, gb: 1e9, kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30 };
export const COUNTS: Units = {};

const AMOUNT = /^(\d+(?:\.\d+)?)([a-zA-Zµμ]*)$/;
const COMPARISON = /^(>=|<=|>|<|=|)(.*)$/s;

/** A comparison (`>250ms`, `<=3`, `7`) or a range with both ends in it (`1ms..2s`). */
export function number(value: Value, units: Units, unit: string, example: string): HoldsNumber {
  const read = (text: string, column: number): number => {
    const match = AMOUNT.exec(text);
    const named = match === null ? "" : (match[2] ?? "").toLowerCase() || unit;
    const factor = named === "" ? 1 : units[named];
    if (match === null || factor === undefined) {
      const names = Object.keys(units).filter((name) => /^[a-z]+$/.test(name));
      const allowed = names.length === 0 ? "" : `units: ${names.join(", ")}; `;
      throw new FilterError(`“${text}” is no amount`, column, `${allowed}as in ${example}`);
    }
    return Number(match[1]) * factor;
  };

  if (value.form === "regex") {
    throw new FilterError("an amount cannot be a regular expression", value.column, `as in ${example}`);
  }
  const dots = value.text.indexOf("..");
  if (dots >= 0) {
    const first = read(value.text.slice(0, dots), value.column);
    const last = read(value.text.slice(dots + 2), value.column + dots + 2);
    return (found) => first <= found && found <= last;
  }
  const [, operator = "", rest = ""] = COMPARISON.exec(value.text) ?? [];
  const limit = read(rest, value.column + operator.length);
  switch (operator) {
    case ">=":
      return (found) => found >= limit;
    case "<=":
      return (found) => found <= limit;
    case ">":
      return (found) => found > limit;
    case "<":
      return (found) => found < limit;
    default:
      return (found) => found === limit;
  }
}

/** One of a few names, in any case. */
export function choice<T extends string>(value: Value, allowed: readonly T[]): T {
  const found = allowed.find((name) => name === value.text.toLowerCase());
  if (value.form === "regex" || found === undefined) {
    throw new FilterError(`“${value.text}” is not one of them`, value.column, `one of ${allowed.join(", ")}`);
  }
  return found;
}

function regex(value: Value): HoldsText {
  try {
    const pattern = new RegExp(value.text, value.ignoreCase ? "i" : "");
    return (text) => pattern.test(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new FilterError(`the regular expression is wrong: ${why}`, value.column);
  }
}

const isGlob = (value: Value) => value.form === "word" && /[*?]/.test(value.text);

function glob(text: string): string {
  const parts = [...text].map((char) =>
    char === "*" ? ".*" : char === "?" ? "." : char.replace(/[\\^$.*+?()[\]{}|/-]/, "\\$&"),
  );
  return parts.join("");
}

/** The text is found anywhere, ignoring case; `*` and `?` of an unquoted word are wildcards. */
export function contains(value: Value): HoldsText {
  if (value.form === "regex") return regex(value);
  if (isGlob(value)) {
    const pattern = new RegExp(glob(value.text), "is");
    return (text) => pattern.test(text);
  }
  const needle = value.text.toLowerCase();
  return (text) => text.toLowerCase().includes(needle);
}

/** The whole text, ignoring case; `*` and `?` of an unquoted word are wildcards. */
export function equals(value: Value): HoldsText {
  if (value.form === "regex") return regex(value);
  if (isGlob(value)) {
    const pattern = new RegExp(`^(?:${glob(value.text)})$`, "is");
    return (text) => pattern.test(text);
  }
  const needle = value.text.toLowerCase();
  return (text) => text.toLowerCase() === needle;
}

/** Only to find what is wrong with a text pattern that the server will answer. */
export function checkText(value: Value): void {
  contains(value);
}
