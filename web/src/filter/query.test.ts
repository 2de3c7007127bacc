import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Summary } from "../api/types";
import { FilterError } from "./filter-error";
import { parseFilter } from "./query";

interface Case {
  filter: string;
  ids?: number[];
  /** Calls that summaries alone do not exclude; the server decides. */
  maybe?: number[];
  error?: { column: number };
}

const fixture = JSON.parse(readFileSync(new URL("../../../tests/fixtures/filters.json", import.meta.url), "utf8")) as {
  calls: Summary[];
  cases: Case[];
};

function columnOfError(text: string): number | null {
  try {
    parseFilter(text);
    return null;
  } catch (error) {
    if (error instanceof FilterError) return error.column;
    throw error;
  }
}

describe("the fixture shared with Python", () => {
  test.each(fixture.cases.filter(({ error }) => error === undefined))("$filter", ({ filter, ids, maybe }) => {
    const query = parseFilter(filter);
    const found = fixture.calls.filter((call) => query.matches(call) !== false).map((call) => call.id);
    expect(found).toEqual(maybe ?? ids);
    expect(query.needsServer).toBe(maybe !== undefined);
  });

  test.each(fixture.cases.filter(({ error }) => error !== undefined))("refused: $filter", ({ filter, error }) => {
    expect(columnOfError(filter)).toBe(error?.column);
  });
});
