/** Values of terms: comparisons of durations, sizes and counts; text patterns. */

import { FilterError } from "./filter-error";
import type { Value } from "./scanner";

export type NumberPredicate = (value: number) => boolean;
export type TextPredicate = (text: string) => boolean;
type Units = Readonly<Record<string, number>>;

export const DURATIONS: Units = { us: 1, µs: 1, μs: 1, ms: 1e3, s: 1e6, m: 60e6, h: 3600e6 };
export const SIZES: Units = { b: 1, kb: 1e3, mb: 1e6, gb: 1e9, kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30 };
export const COUNTS: Units = {};

const AMOUNT = /^(\d+(?:\.\d+)?)([a-zA-Zµμ]*)$/;
const COMPARISON = /^(>=|<=|>|<|=|)(.*)$/s;

/** Parse a comparison (`>250ms`, `<=3`, `7`) or an inclusive range (`1ms..2s`). */
export function parseComparison(value: Value, units: Units, unit: string, example: string): NumberPredicate {
  const parseNumber = (text: string, column: number): number => {
    const match = AMOUNT.exec(text);
    const unitName = match === null ? "" : (match[2] ?? "").toLowerCase() || unit;
    const factor = unitName === "" ? 1 : units[unitName];
    if (match === null || factor === undefined) {
      const names = Object.keys(units).filter((name) => /^[a-z]+$/.test(name));
      const allowed = names.length === 0 ? "" : `Units: ${names.join(", ")}. `;
      throw new FilterError(`Not a number: "${text}"`, column, `${allowed}Example: ${example}`);
    }
    return Number(match[1]) * factor;
  };

  if (value.form === "regex") {
    throw new FilterError("Expected a number, got a regular expression", value.column, `Example: ${example}`);
  }
  const dots = value.text.indexOf("..");
  if (dots >= 0) {
    const first = parseNumber(value.text.slice(0, dots), value.column);
    const last = parseNumber(value.text.slice(dots + 2), value.column + dots + 2);
    return (number) => first <= number && number <= last;
  }
  const [, operator = "", rest = ""] = COMPARISON.exec(value.text) ?? [];
  const limit = parseNumber(rest, value.column + operator.length);
  switch (operator) {
    case ">=":
      return (number) => number >= limit;
    case "<=":
      return (number) => number <= limit;
    case ">":
      return (number) => number > limit;
    case "<":
      return (number) => number < limit;
    default:
      return (number) => number === limit;
  }
}

/** Parse one of `allowed`, ignoring case. */
export function parseChoice<T extends string>(value: Value, allowed: readonly T[]): T {
  const match = allowed.find((name) => name === value.text.toLowerCase());
  if (value.form === "regex" || match === undefined) {
    throw new FilterError(`Unknown value "${value.text}"`, value.column, `Expected one of: ${allowed.join(", ")}`);
  }
  return match;
}

function regex(value: Value): TextPredicate {
  try {
    const pattern = new RegExp(value.text, value.ignoreCase ? "i" : "");
    return (text) => pattern.test(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new FilterError(why, value.column);
  }
}

const isGlob = (value: Value) => value.form === "word" && /[*?]/.test(value.text);

function glob(text: string): string {
  const parts = [...text].map((char) =>
    char === "*" ? ".*" : char === "?" ? "." : char.replace(/[\\^$.*+?()[\]{}|/-]/, "\\$&"),
  );
  return parts.join("");
}

/** Match a substring, ignoring case; in an unquoted word `*` and `?` are wildcards. */
export function contains(value: Value): TextPredicate {
  if (value.form === "regex") return regex(value);
  if (isGlob(value)) {
    const pattern = new RegExp(glob(value.text), "is");
    return (text) => pattern.test(text);
  }
  const lowered = value.text.toLowerCase();
  return (text) => text.toLowerCase().includes(lowered);
}

/** Match the whole text, ignoring case; in an unquoted word `*` and `?` are wildcards. */
export function equals(value: Value): TextPredicate {
  if (value.form === "regex") return regex(value);
  if (isGlob(value)) {
    const pattern = new RegExp(`^(?:${glob(value.text)})$`, "is");
    return (text) => pattern.test(text);
  }
  const lowered = value.text.toLowerCase();
  return (text) => text.toLowerCase() === lowered;
}

/** Throw `FilterError` if a text pattern is invalid. */
export function validateText(value: Value): void {
  contains(value);
}
