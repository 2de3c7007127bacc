import { expect, test } from "vitest";
import type { Outline, OutlineField } from "../api/types";
import { searchLines, nameParts, searchOutline, searchWords } from "./schema-outline";

const field = (number: number, name: string, type: string, changes: Partial<OutlineField> = {}): OutlineField => ({
  number,
  name,
  type,
  label: "",
  refers: null,
  oneof: null,
  default: "",
  deprecated: false,
  ...changes,
});
const method = { kind: "unary", deprecated: false } as const;
const OUTLINE: Outline = {
  services: [
    {
      name: "acme.Shop",
      file: "shop.proto",
      methods: [
        { ...method, name: "GetOrder", request: "acme.Id", response: "acme.SortOrder" },
        { ...method, name: "Watch", kind: "server", request: "acme.Id", response: "acme.Tick" },
      ],
    },
  ],
  messages: [
    { name: "acme.Id", file: "shop.proto", deprecated: false, fields: [field(1, "value", "string")] },
    {
      name: "acme.SortOrder",
      file: "shop.proto",
      deprecated: false,
      fields: [
        field(1, "state", "acme.State", { refers: "acme.State" }),
        field(2, "coupon", "string", { oneof: "discount" }),
      ],
    },
  ],
  enums: [
    {
      name: "acme.State",
      file: "shop.proto",
      deprecated: false,
      values: [
        [0, "STATE_NEW"],
        [7, "STATE_PAID"],
      ],
    },
  ],
  more: 0,
};
const names = (text: string) => {
  const { services, types } = searchOutline(OUTLINE, searchWords(text));
  return [services.flatMap(({ methods }) => methods.map(({ name }) => name)), types.map(({ type }) => type.name)];
};

test("an empty search lists all types, messages before enums", () => {
  expect(names("  ")).toEqual([
    ["GetOrder", "Watch"],
    ["acme.Id", "acme.SortOrder", "acme.State"],
  ]);
});

test("fields match by name, number, type and oneof; values by name and number", () => {
  expect(names("COUPON")).toEqual([[], ["acme.SortOrder"]]);
  expect(names("coupon 2 discount")).toEqual([[], ["acme.SortOrder"]]);
  expect(names("coupon 1")).toEqual([[], []]);
  expect(names("paid 7")).toEqual([[], ["acme.State"]]);
});

test("a type matches by its name and by fields that use it", () => {
  expect(names("acme.state")).toEqual([[], ["acme.SortOrder", "acme.State"]]);
});

test("methods match by name, stream type and types; a service by name, with all methods", () => {
  expect(names("watch")[0]).toEqual(["Watch"]);
  expect(names("server")[0]).toEqual(["Watch"]);
  expect(names("acme.shop")[0]).toEqual(["GetOrder", "Watch"]);
});

test("the searchable lines of a type", () => {
  expect(searchLines({ kind: "enum", type: OUTLINE.enums[0]! })).toEqual(["STATE_NEW 0", "STATE_PAID 7"]);
});

test("packages are the lower-case part of a name", () => {
  expect(nameParts("acme.shop.v1.SortOrder.Item")).toEqual({ pkg: "acme.shop.v1.", name: "SortOrder.Item" });
  expect(nameParts("SortOrder")).toEqual({ pkg: "", name: "SortOrder" });
  expect(nameParts("acme.lower")).toEqual({ pkg: "acme.", name: "lower" });
});
