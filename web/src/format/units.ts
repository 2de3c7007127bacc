/** Formatting of numbers and times. Short forms here; a `title` shows the exact value. */

export const NONE = "–";
const NBSP = "\u00a0";

/** 950 µs, 1.83 ms, 250 ms, 12.4 s, 3 m 05 s, 2 h 07 m. */
export function formatDuration(us: number | null): string {
  if (us === null) return NONE;
  if (us < 0) return `−${formatDuration(-us)}`;
  if (us < 1_000) return `${Math.round(us)}${NBSP}µs`;
  if (us < 999_500) return `${significant(us / 1_000)}${NBSP}ms`;
  if (us < 59_995_000) return `${significant(us / 1_000_000)}${NBSP}s`;
  const seconds = Math.round(us / 1_000_000);
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}${NBSP}m${NBSP}${pad(seconds % 60)}${NBSP}s`;
  return `${Math.floor(minutes / 60)}${NBSP}h${NBSP}${pad(minutes % 60)}${NBSP}m`;
}

/** 0 B, 24 B, 2.50 MiB. Binary units, as everywhere in Loom (loom/units.py). */
export function formatBytes(count: number): string {
  if (count < 1_024) return `${count}${NBSP}B`;
  let size = count;
  for (const unit of ["KiB", "MiB", "GiB"]) {
    size /= 1_024;
    if (size < 999.5) return `${significant(size)}${NBSP}${unit}`;
  }
  return `${significant(size / 1_024)}${NBSP}TiB`;
}

/** At most five characters, for narrow cells: 7, 1 234, 20.0 k, 1.50 M. */
export function formatShortCount(value: number): string {
  if (value < 10_000) return formatNumber(value);
  return value < 999_500 ? `${significant(value / 1e3)}${NBSP}k` : `${significant(value / 1e6)}${NBSP}M`;
}

/** Length of a duration on a logarithmic scale from 100 µs (0) to 100 s (1). */
export const durationShare = (us: number): number => Math.min(1, Math.max(0, (Math.log10(Math.max(1, us)) - 2) / 6));

/** 7, 1 234, 5.2 M. */
export function formatCount(value: number): string {
  return value < 10_000_000 ? formatNumber(value) : `${significant(value / 1e6)}${NBSP}M`;
}

/** Digits in groups of three, separated by a thin space: 1 234 567. */
export function formatNumber(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");
}

export function formatRate(perSecond: number): string {
  return perSecond >= 100 || Number.isInteger(perSecond) ? formatNumber(perSecond) : perSecond.toFixed(1);
}

function significant(value: number): string {
  return value >= 99.95 ? value.toFixed(0) : value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}

const pad = (value: number, width = 2) => String(value).padStart(width, "0");

/** Local time of day to the millisecond: 14:05:09.123. */
export function formatTime(us: number): string {
  const at = new Date(us / 1_000);
  return `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}.${pad(at.getMilliseconds(), 3)}`;
}

/** Local date and time to the microsecond, with UTC offset. */
export function formatTimestamp(us: number): string {
  const at = new Date(us / 1_000);
  const offset = -at.getTimezoneOffset();
  const zone = `${offset < 0 ? "−" : "+"}${pad(Math.floor(Math.abs(offset) / 60))}:${pad(Math.abs(offset) % 60)}`;
  const day = `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`;
  const micros = pad(Math.floor(us % 1_000_000), 6);
  return `${day} ${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}.${micros} ${zone}`;
}

/** "3 calls", "1 call". */
export function pluralize(value: number, noun: string, many = `${noun}s`): string {
  return `${formatNumber(value)} ${value === 1 ? noun : many}`;
}
