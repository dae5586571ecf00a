// Where things are in a manifest and what is wrong with them: source files, positions and diagnostics.
// Everything that the compiler says to a person goes through `Diagnostics`, which reports all problems at once, in the
// order of the text, as `file:line:col: error: text`.

/** One manifest's text. */
export class SourceFile {
  /** The name that imports use: `push/v1/register.proto`. */
  readonly name: string;
  /** The name that diagnostics show; usually the path as the user gave it. */
  readonly shownAs: string;
  private readonly readAgain: (() => string) | undefined;
  private held: string | undefined;
  private lineStarts: number[] | undefined;

  /** Only a text that `readAgain` gives once more can be released. */
  constructor(name: string, text: string, shownAs: string = name, readAgain?: () => string) {
    this.name = name;
    this.shownAs = shownAs;
    this.readAgain = readAgain;
    this.held = text;
  }

  /** The whole text. */
  get text(): string {
    this.held ??= this.readAgain?.() ?? "";
    return this.held;
  }

  /** Lets go of the text, which is seldom needed once it is parsed: the texts of a large tree together would fill memory. */
  release(): void {
    if (this.readAgain !== undefined) this.held = undefined;
  }

  /** The line and column (both from 1) of an offset into the text. */
  locate(offset: number): { line: number; column: number } {
    this.lineStarts ??= findLineStarts(this.text);
    const starts = this.lineStarts;
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (starts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - starts[low]! + 1 };
  }

  /** The text of a line (from 1), without its end. */
  lineText(line: number): string {
    this.lineStarts ??= findLineStarts(this.text);
    return this.text.slice(this.lineStarts[line - 1], this.lineStarts[line]).replace(/[\r\n]+$/, "");
  }
}

/** A place in a manifest. */
export interface Position {
  readonly file: SourceFile;
  /** UTF-16 offset into the file's text. */
  readonly offset: number;
}

/** One thing to tell the user. */
export interface Diagnostic {
  readonly severity: "error" | "warning";
  readonly position: Position | undefined;
  readonly text: string;
}

/** No more errors than this are kept: a hostile or badly broken tree must not fill memory. */
export const MAX_DIAGNOSTICS = 1000;

/** Collects what is wrong, so that a user sees all of it in one run. */
export class Diagnostics {
  /** What was reported, in the order of discovery. */
  readonly list: Diagnostic[] = [];
  /** How many of {@link Diagnostics.list} are errors. */
  errorCount = 0;
  private droppedCount = 0;

  /** Reports something that stops generation. */
  error(position: Position | undefined, text: string): void {
    this.errorCount++;
    this.add({ severity: "error", position, text });
  }

  /** Reports something that the user should know. */
  warning(position: Position | undefined, text: string): void {
    this.add({ severity: "warning", position, text });
  }

  /** Every diagnostic, sorted by file and place, without repetitions; the last one tells how many were not kept. */
  sorted(): Diagnostic[] {
    const byLine = new Map(this.list.toSorted(byPlace).map((diagnostic) => [formatDiagnostic(diagnostic), diagnostic]));
    if (this.droppedCount === 0) return [...byLine.values()];
    const text = `${this.droppedCount} more, which are not shown`;
    return [...byLine.values(), { severity: "error", position: undefined, text }];
  }

  /** {@link Diagnostics.sorted}, each as `file:line:col: error: text`. */
  lines(): string[] {
    return this.sorted().map(formatDiagnostic);
  }

  private add(diagnostic: Diagnostic): void {
    if (this.list.length < MAX_DIAGNOSTICS) this.list.push(diagnostic);
    else this.droppedCount++;
  }
}

/** `file:line:col: error: text`; without a position, `error: text`. Always one line. */
export function formatDiagnostic({ severity, position, text }: Diagnostic): string {
  const place = position === undefined ? "" : `${formatPosition(position)}: `;
  return `${place}${severity}: ${printable(text)}`;
}

/** `file:line:col`. */
export function formatPosition({ file, offset }: Position): string {
  const { line, column } = file.locate(offset);
  return `${printable(file.shownAs)}:${line}:${column}`;
}

/** `text` with every control character as an escape: what a manifest holds must not steer the reader's terminal. */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function findLineStarts(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

function byPlace(a: Diagnostic, b: Diagnostic): number {
  if (a.position === undefined || b.position === undefined)
    return Number(a.position === undefined) - Number(b.position === undefined);
  const [left, right] = [a.position.file.shownAs, b.position.file.shownAs];
  if (left !== right) return left < right ? -1 : 1;
  return a.position.offset - b.position.offset;
}
