import { expect, test } from "vitest";
import { methodParts, peerName } from "./method";
import {
  durationShare,
  formatBytes,
  formatCount,
  formatDuration,
  formatNumber,
  formatShortCount,
  pluralize,
} from "./units";

const plain = (text: string) => text.replaceAll("\u00a0", " ").replaceAll("\u202f", " ");

test.each([
  [null, "–"],
  [0, "0 µs"],
  [999, "999 µs"],
  [1_834, "1.83 ms"],
  [12_400, "12.4 ms"],
  [250_000, "250 ms"],
  [999_600, "1.00 s"],
  [59_900_000, "59.9 s"],
  [59_999_000, "1 m 00 s"],
  [185_000_000, "3 m 05 s"],
  [7_620_000_000, "2 h 07 m"],
  [-2_480, "−2.48 ms"],
] as const)("%s µs is %s", (us, text) => expect(plain(formatDuration(us))).toBe(text));

test.each([
  [0, "0 B"],
  [1_023, "1023 B"],
  [1_024, "1.00 KiB"],
  [2_150, "2.10 KiB"],
  [1_023_500, "0.98 MiB"],
  [16 * 2 ** 20, "16.0 MiB"],
  [3 * 2 ** 30, "3.00 GiB"],
  [5 * 2 ** 40, "5.00 TiB"],
] as const)("%s bytes are %s", (size, text) => expect(plain(formatBytes(size))).toBe(text));

test("counts", () => {
  expect(plain(formatNumber(1_234_567))).toBe("1 234 567");
  expect(plain(formatCount(52_000_000))).toBe("52.0 M");
  expect(pluralize(1, "entry", "entries")).toBe("1 entry");
  expect(plain(pluralize(2_000, "call"))).toBe("2 000 calls");
});

test("counts of narrow cells have at most six characters", () => {
  const shown = [0, 1_500, 9_999, 20_000, 123_456, 999_499, 999_999, 1_500_000, 52_000_000];
  expect(shown.map((count) => plain(formatShortCount(count)))).toEqual([
    "0",
    "1 500",
    "9 999",
    "20.0 k",
    "123 k",
    "999 k",
    "1.00 M",
    "1.50 M",
    "52.0 M",
  ]);
});

test("durations on a logarithmic scale", () => {
  expect([0, 100, 100_000, 100_000_000, 1e12].map(durationShare)).toEqual([0, 0, 0.5, 1, 1]);
});

test("names", () => {
  expect(methodParts("/acme.shop.v1.Shop/GetOrder")).toEqual({
    pkg: "acme.shop.v1.",
    service: "Shop",
    name: "GetOrder",
  });
  expect(methodParts("/Shop/Get")).toEqual({ pkg: "", service: "Shop", name: "Get" });
  expect(methodParts("odd")).toEqual({ pkg: "", service: "", name: "odd" });
  expect(peerName("ipv6:%5B::1%5D:55462")).toBe("[::1]:55462");
});
