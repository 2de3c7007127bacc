import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Summary } from "../api/types";
import { FilterError } from "./error";
import { parse } from "./query";

interface Case {
  filter: string;
  ids?: number[];
  /** What cannot be excluded from summaries alone; the server answers those. */
  maybe?: number[];
  error?: { column: number };
}

const fixture = JSON.parse(readFileSync(new URL("../../../tests/fixtures/filters.json", import.meta.url), "utf8")) as {
  calls: Summary[];
  cases: Case[];
};

function columnOfError(text: string): number | null {
  try {
    parse(text);
    return null;
  } catch (error) {
    if (error instanceof FilterError) return error.column;
    throw error;
  }
}

describe("the fixture shared with Python", () => {
  test.each(fixture.cases.filter((one) => one.error === undefined))("$filter", ({ filter, ids, maybe }) => {
    const query = parse(filter);
    const found = fixture.calls.filter((call) => query.answer(call) !== false).map((call) => call.id);
    expect(found).toEqual(maybe ?? ids);
    expect(query.needsServer).toBe(maybe !== undefined);
  });

  test.each(fixture.cases.filter((one) => one.error !== undefined))("refused: $filter", ({ filter, error }) => {
    expect(columnOfError(filter)).toBe(error?.column);
  });
});
