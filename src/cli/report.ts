// How diagnostics look: one plain line each where a program reads them, and on a terminal also the offending line with a
// caret below it, in colour unless NO_COLOR is set. It decides nothing; `Diagnostics` has the order and the texts.

import type { WriteStream } from "node:tty";
import { type Diagnostic, type Diagnostics, formatDiagnostic, formatPosition, printable } from "../gen/source.js";

/** What there is to know of the terminal. */
export interface Screen {
  /** False where a program reads the output: a line a diagnostic. */
  readonly isTerminal: boolean;
  readonly hasColour: boolean;
  readonly columns: number;
}

const BOLD = 1;
const RED = 31;
const YELLOW = 33;
const CYAN = 36;
const DEFAULT_COLUMNS = 80;
/** Less than this of a line shows too little. */
const LEAST_COLUMNS = 40;

/** Writes what the compiler has to say to standard error. */
export function report(diagnostics: Diagnostics, stream: WriteStream = process.stderr): void {
  const text = render(diagnostics.sorted(), screenOf(stream, process.env));
  if (text !== "") stream.write(text);
}

/** What a stream shows; colour is off with NO_COLOR set to anything, as no-color.org has it, and on dumb terminals. */
export function screenOf(
  stream: Pick<WriteStream, "isTTY" | "columns">,
  environment: Readonly<Record<string, string | undefined>>,
): Screen {
  const isTerminal = stream.isTTY === true;
  const hasColour = isTerminal && (environment.NO_COLOR ?? "") === "" && environment.TERM !== "dumb";
  return { isTerminal, hasColour, columns: Math.max(LEAST_COLUMNS, stream.columns || DEFAULT_COLUMNS) };
}

/** The whole text: on a terminal with excerpts, and with a count at its end. */
export function render(diagnostics: readonly Diagnostic[], screen: Screen): string {
  if (!screen.isTerminal) return diagnostics.map((diagnostic) => `${formatDiagnostic(diagnostic)}\n`).join("");
  return diagnostics.map((diagnostic) => `${headline(diagnostic, screen)}\n${excerpt(diagnostic, screen)}`).join("");
}

function headline({ severity, position, text }: Diagnostic, screen: Screen): string {
  const place = position === undefined ? "" : `${paint(formatPosition(position), BOLD, screen)}: `;
  return `${place}${paint(`${severity}:`, severity === "error" ? RED : YELLOW, screen)} ${printable(text)}`;
}

/** The line and a caret below it; of a line that is too wide, the part around the caret. */
function excerpt({ position }: Diagnostic, screen: Screen): string {
  if (position === undefined) return "";
  const { line, column } = position.file.locate(position.offset);
  const margin = `${String(line).padStart(5)} | `;
  const room = screen.columns - margin.length - 1;
  const from = column > room ? column - (room >> 1) : 0;
  const shown = position.file.lineText(line).slice(from, from + room);
  const caret = `${"|".padStart(margin.length - 1)} ${" ".repeat(column - 1 - from)}${paint("^", CYAN, screen)}`;
  return `${margin}${oneCellEach(shown)}\n${caret}\n`;
}

/** Tabs and control characters as a space each, so that the caret stays below its place and nothing steers the terminal. */
function oneCellEach(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, " ");
}

function paint(text: string, colour: number, { hasColour }: Screen): string {
  return hasColour ? `\u001b[${colour}m${text}\u001b[0m` : text;
}
