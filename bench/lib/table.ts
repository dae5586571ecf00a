// Tables and bars for a terminal. It owns widths, alignment and the rounding of numbers; it prints nothing itself.

/** A column: its title, and whether its cells are text (left-aligned) or numbers (right-aligned, the default). */
export interface Column {
  readonly title: string;
  readonly align?: "left" | "right";
}

/** The lines of a table: the titles, a rule, and a line for each row. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const widths = columns.map(({ title }, at) => Math.max(title.length, ...rows.map((row) => (row[at] ?? "").length)));
  const line = (cells: readonly string[]): string =>
    columns
      .map(({ align }, at) => pad(cells[at] ?? "", widths[at]!, align ?? "right"))
      .join("  ")
      .trimEnd();
  return [
    line(columns.map(({ title }) => title)),
    widths.map((width) => "-".repeat(width)).join("  "),
    ...rows.map(line),
  ];
}

function pad(text: string, width: number, align: "left" | "right"): string {
  return align === "left" ? text.padEnd(width) : text.padStart(width);
}

/** One bar of a chart. */
export interface Bar {
  readonly label: string;
  readonly value: number;
  /** What stands after the bar; the value itself, shortened, by default. */
  readonly text?: string;
}

const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/** The lines of a horizontal bar chart; the longest bar is `width` characters. */
export function formatBars(bars: readonly Bar[], width = 50): string[] {
  const longest = Math.max(...bars.map(({ value }) => value));
  const labelWidth = Math.max(...bars.map(({ label }) => label.length));
  return bars.map(({ label, value, text }) => {
    const eighths = Math.round((value / longest) * width * 8) || 0;
    const bar = "█".repeat(eighths >> 3) + EIGHTHS[eighths & 7]!;
    return `${label.padEnd(labelWidth)}  ${bar} ${text ?? formatCount(value)}`;
  });
}

/** `value` with so many digits that mean something, never with an exponent: `0.042`, `1.53`, `100`. */
export function formatDigits(value: number, digits: number): string {
  const rounded = Number(value.toPrecision(digits));
  const before = rounded === 0 ? 1 : Math.floor(Math.log10(Math.abs(rounded))) + 1;
  return rounded.toFixed(Math.max(0, digits - before));
}

/** A count for people: `668 k`, `2.21 M`, three digits that mean something. */
export function formatCount(value: number): string {
  if (value >= 999_500) return `${formatDigits(value / 1e6, 3)} M`;
  return value >= 999.5 ? `${formatDigits(value / 1e3, 3)} k` : value.toFixed(0);
}

/** Microseconds for people: `61 us`, `1.53 ms`, `2.10 s`. */
export function formatMicroseconds(us: number): string {
  if (us >= 999_500) return `${formatDigits(us / 1e6, 3)} s`;
  return us >= 999.5 ? `${formatDigits(us / 1e3, 3)} ms` : `${formatDigits(us, us < 99.5 ? 2 : 3)} us`;
}

/** A ratio for people: `0.87x`, `53.2x`, `349x`. */
export function formatRatio(ratio: number): string {
  return Number.isFinite(ratio) ? `${formatDigits(ratio, ratio < 0.995 ? 2 : 3)}x` : "-";
}
