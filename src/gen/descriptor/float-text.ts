// Floating-point numbers as descriptors spell them: C's %g with the fewest digits, 15 or 17 of a double and 6 or 9 of a
// float, that read back as the same number.

/** A double: `1e+20`, `0.1`, `inf`. */
export function formatDouble(value: number): string {
  return shortest(value, [15, 17], (text) => Number(text) === value);
}

/** A float, which is first rounded to what a float can hold. */
export function formatFloat(value: number): string {
  const rounded = Math.fround(value);
  return shortest(rounded, [6, 9], (text) => Math.fround(Number(text)) === rounded);
}

/** The number with the fewest digits that is the same float: what `0.1` or `16777217` is in a field of 32 bits. */
export function roundToFloat(value: number): number {
  const rounded = Math.fround(value);
  return Number.isFinite(rounded) ? Number(formatFloat(rounded)) : rounded;
}

function shortest(value: number, precisions: readonly number[], isExact: (text: string) => boolean): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  const texts = precisions.map((digits) => formatGeneral(value, digits));
  return texts.find(isExact) ?? texts.at(-1)!;
}

/** C's `%.<digits>g`. */
function formatGeneral(value: number, digits: number): string {
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  const [mantissa, exponentText] = value.toExponential(digits - 1).split("e");
  const exponent = Number(exponentText);
  if (exponent >= -4 && exponent < digits) return trimZeros(value.toFixed(Math.max(0, digits - 1 - exponent)));
  const sign = exponent < 0 ? "-" : "+";
  return `${trimZeros(mantissa!)}e${sign}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

function trimZeros(text: string): string {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}
