// JSON text, read more strictly than `JSON.parse` does: a key that comes twice is refused, and a whole number that a
// JavaScript number cannot hold is a bigint, so that 64-bit integers written as numbers keep every digit. It knows nothing of
// messages. Objects have no prototype, so a key can be any name.

/** JSON as the parser gives it: like what `JSON.parse` gives, with bigints where a number would lose digits. */
export type ParsedJson = null | boolean | number | bigint | string | ParsedJson[] | { [key: string]: ParsedJson };

/** JSON that is no message, or a message that JSON cannot say: the text names the field and what was wrong. */
export class JsonError extends Error {
  override readonly name = "JsonError";
}

/** Arrays and objects may be nested this deep in a text. */
const MAX_JSON_DEPTH = 1000;

/** A number as JSON writes it: sign, whole part, fraction, exponent. */
const NUMBER = /(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?/y;
const SPACE = /[ \t\n\r]*/y;
const ESCAPED = /[\\\p{Cc}]/u;
const LITERALS: readonly (readonly [string, ParsedJson])[] = [
  ["true", true],
  ["false", false],
  ["null", null],
];

/** Reads one JSON value that is the whole text. Throws {@link JsonError}. */
export function parseJson(text: string): ParsedJson {
  return new Parser(text).whole();
}

/** The number that a whole text is, by JSON's grammar; undefined if it is none. */
export function numberOf(text: string): number | undefined {
  return matchNumber(text, 0)?.[0].length === text.length ? Number(text) : undefined;
}

/** The integer that a whole text is, exactly, up to 40 digits: `12`, `1.20e1`; undefined if it is none. */
export function exactInteger(text: string): bigint | undefined {
  const found = matchNumber(text, 0);
  if (found?.[0].length !== text.length) return undefined;
  const [, sign, whole, fraction = "", exponent = "0"] = found;
  const digits = whole! + fraction;
  if (/^0+$/.test(digits)) return 0n;
  const point = whole!.length + Number(exponent);
  if (point <= 0 || point > 40 || /[1-9]/.test(digits.slice(point))) return undefined;
  return BigInt(sign! + digits.slice(0, point).padEnd(point, "0"));
}

function matchNumber(text: string, at: number): RegExpExecArray | null {
  NUMBER.lastIndex = at;
  return NUMBER.exec(text);
}

class Parser {
  private readonly text: string;
  private pos = 0;
  private depth = 0;

  constructor(text: string) {
    this.text = text;
  }

  whole(): ParsedJson {
    const value = this.value();
    if (this.pos !== this.text.length) throw this.error("the end of the text");
    return value;
  }

  /** A value with the space around it. */
  private value(): ParsedJson {
    this.space();
    const value = this.bare();
    this.space();
    return value;
  }

  private bare(): ParsedJson {
    switch (this.text[this.pos]) {
      case "{":
        return this.nested(() => this.object());
      case "[":
        return this.nested(() => this.array());
      case '"':
        return this.string();
      default:
        return this.literal();
    }
  }

  private literal(): ParsedJson {
    for (const [word, value] of LITERALS) {
      if (!this.text.startsWith(word, this.pos)) continue;
      this.pos += word.length;
      return value;
    }
    return this.number();
  }

  private number(): number | bigint {
    const [text] = matchNumber(this.text, this.pos) ?? [];
    if (text === undefined) throw this.error("a value");
    this.pos += text.length;
    const value = Number(text);
    const loses = Number.isInteger(value) && !Number.isSafeInteger(value) && Math.abs(value) <= 2 ** 64;
    return loses ? (exactInteger(text) ?? value) : value;
  }

  private string(): string {
    const start = this.pos;
    if (this.text[start] !== '"') throw this.error("a string");
    let end = this.text.indexOf('"', start + 1);
    while (end !== -1 && this.isEscaped(end)) end = this.text.indexOf('"', end + 1);
    if (end === -1) throw this.error("a string that ends");
    const body = this.text.slice(start + 1, end);
    const text = ESCAPED.test(body) ? this.unescape(body) : body;
    this.pos = end + 1;
    return text;
  }

  /** True if the quote at `at` has an odd number of backslashes before it. */
  private isEscaped(at: number): boolean {
    let first = at;
    while (this.text[first - 1] === "\\") first--;
    return (at - first) % 2 === 1;
  }

  private unescape(body: string): string {
    try {
      return JSON.parse(`"${body}"`) as string;
    } catch {
      throw this.error("a string without bad escapes or control characters");
    }
  }

  private nested<T>(read: () => T): T {
    if (++this.depth > MAX_JSON_DEPTH) throw new JsonError(`JSON is nested more than ${MAX_JSON_DEPTH} deep`);
    this.pos++;
    const value = read();
    this.depth--;
    return value;
  }

  private array(): ParsedJson[] {
    const items: ParsedJson[] = [];
    this.space();
    if (this.take("]")) return items;
    do items.push(this.value());
    while (this.take(","));
    this.expect("]");
    return items;
  }

  private object(): { [key: string]: ParsedJson } {
    const entries: { [key: string]: ParsedJson } = Object.create(null);
    this.space();
    if (this.take("}")) return entries;
    do this.entry(entries);
    while (this.take(","));
    this.expect("}");
    return entries;
  }

  private entry(entries: { [key: string]: ParsedJson }): void {
    this.space();
    const key = this.string();
    if (key in entries) throw new JsonError(`JSON has the key ${JSON.stringify(key)} twice in one object`);
    this.space();
    this.expect(":");
    entries[key] = this.value();
  }

  private space(): void {
    SPACE.lastIndex = this.pos;
    SPACE.test(this.text);
    this.pos = SPACE.lastIndex;
  }

  private take(character: string): boolean {
    if (this.text[this.pos] !== character) return false;
    this.pos++;
    return true;
  }

  private expect(character: string): void {
    if (!this.take(character)) throw this.error(`"${character}"`);
  }

  private error(wanted: string): JsonError {
    const found = this.text[this.pos];
    const what = found === undefined ? "the text ends" : `found ${JSON.stringify(found)}`;
    return new JsonError(`JSON is not valid at character ${this.pos}: expected ${wanted}, ${what}`);
  }
}
