/** Hex dump: rows of 16 bytes with offset and text. */

export const WIDTH = 16;

export interface HexRow {
  readonly offset: string;
  readonly hex: string;
  readonly text: string;
}

export const hexRows = (bytes: Uint8Array): number => Math.ceil(bytes.length / WIDTH);

export function hexRow(bytes: Uint8Array, row: number): HexRow {
  const part = bytes.subarray(row * WIDTH, (row + 1) * WIDTH);
  const digits = Array.from(part, (byte) => byte.toString(16).padStart(2, "0"));
  return {
    offset: (row * WIDTH).toString(16).padStart(8, "0"),
    hex: `${digits.slice(0, 8).join(" ").padEnd(23)}  ${digits.slice(8).join(" ").padEnd(23)}`,
    text: Array.from(part, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "·")).join(""),
  };
}
