/** Text and bytes from the network, prepared for display. */

// Controls, zero-width and bidirectional characters, lone surrogates, line separators, tags, soft hyphen, BOM.
const INVISIBLE =
  // eslint-disable-next-line no-control-regex, no-misleading-character-class -- each of these characters is intended
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/gu;

const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f" };

/** Escape characters that are invisible or reorder text (control, zero-width, bidirectional). */
export function escapeInvisible(text: string): string {
  return text.replace(INVISIBLE, (char) => {
    const point = char.codePointAt(0) as number;
    return SHORT[char] ?? (point > 0xffff ? `\\u{${point.toString(16)}}` : `\\u${point.toString(16).padStart(4, "0")}`);
  });
}

/** At most `limit` UTF-16 units, without splitting a character; `left` is the number omitted. */
export function truncateText(text: string, limit: number): { readonly text: string; readonly left: number } {
  if (text.length <= limit) return { text, left: 0 };
  const end = /[\ud800-\udbff]/.test(text.charAt(limit - 1)) ? limit - 1 : limit;
  return { text: text.slice(0, end), left: text.length - end };
}

export function decodeBase64(text: string): Uint8Array {
  try {
    const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = new Uint8Array(binary.length);
    for (let at = 0; at < bytes.length; at++) bytes[at] = binary.charCodeAt(at);
    return bytes;
  } catch {
    return new Uint8Array();
  }
}

const UTF8 = new TextDecoder("utf-8", { fatal: true });

/** Bytes as text if they are valid UTF-8 without control characters, else null. */
export function decodeUtf8(bytes: Uint8Array): string | null {
  try {
    const text = UTF8.decode(bytes);
    // eslint-disable-next-line no-control-regex -- searches for control characters
    const controls = text.match(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g)?.length ?? 0;
    return controls === 0 ? text : null;
  } catch {
    return null;
  }
}

export const toHex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
