import { expect, test } from "vitest";
import type { Outline, OutlinedField } from "../api/types";
import { linesOf, nameParts, search, wordsOf } from "./outline";

const field = (number: number, name: string, type: string, changes: Partial<OutlinedField> = {}): OutlinedField => ({
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
        { ...method, name: "GetOrder", request: "acme.Id", response: "acme.Order" },
        { ...method, name: "Watch", kind: "server", request: "acme.Id", response: "acme.Tick" },
      ],
    },
  ],
  messages: [
    { name: "acme.Id", file: "shop.proto", deprecated: false, fields: [field(1, "value", "string")] },
    {
      name: "acme.Order",
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
  const { services, types } = search(OUTLINE, wordsOf(text));
  return [services.flatMap(({ methods }) => methods.map(({ name }) => name)), types.map(({ type }) => type.name)];
};

test("without a search all is listed, messages before enums", () => {
  expect(names("  ")).toEqual([
    ["GetOrder", "Watch"],
    ["acme.Id", "acme.Order", "acme.State"],
  ]);
});

test("fields are found by name, number, type and oneof; values by name and number", () => {
  expect(names("COUPON")).toEqual([[], ["acme.Order"]]);
  expect(names("coupon 2 discount")).toEqual([[], ["acme.Order"]]);
  expect(names("coupon 1")).toEqual([[], []]);
  expect(names("paid 7")).toEqual([[], ["acme.State"]]);
});

test("a type is found by its name and where it is used", () => {
  expect(names("acme.state")).toEqual([[], ["acme.Order", "acme.State"]]);
});

test("methods are found by name, stream type and types; a service by its name with all of them", () => {
  expect(names("watch")[0]).toEqual(["Watch"]);
  expect(names("server")[0]).toEqual(["Watch"]);
  expect(names("acme.shop")[0]).toEqual(["GetOrder", "Watch"]);
});

test("each line of a type is what a search looks at", () => {
  expect(linesOf({ kind: "enum", type: OUTLINE.enums[0]! })).toEqual(["STATE_NEW 0", "STATE_PAID 7"]);
});

test("packages are told from names by their letters", () => {
  expect(nameParts("acme.shop.v1.Order.Item")).toEqual({ pkg: "acme.shop.v1.", name: "Order.Item" });
  expect(nameParts("Order")).toEqual({ pkg: "", name: "Order" });
  expect(nameParts("acme.lower")).toEqual({ pkg: "acme.", name: "lower" });
});
