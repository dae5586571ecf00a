// Manifest text -> tokens with positions and the comments that belong to them. It owns the lexical rules of the
// protobuf language (comments, numbers, string escapes) and knows nothing of its grammar.
// Comments belong to tokens by protoc's rules: to the token that follows without a blank line, or to the one before: the
// first comment after a token is its trailing one if it begins on the token's line, or if a blank line follows it.

import type { Diagnostics, SourceFile } from "./source.js";

/** What a token is; `end` is the one after the last. */
export type TokenKind = "identifier" | "integer" | "float" | "string" | "symbol" | "end";

/** One token of a manifest. */
export interface Token {
  readonly kind: TokenKind;
  /** The token as written. */
  readonly text: string;
  /** Where it begins in the file's text. */
  readonly offset: number;
  /** The comment above it. */
  readonly leading: string | undefined;
  /** The comment that follows it and belongs to it. */
  trailing: string | undefined;
}

const BLANK = /[ \t\r\v\f]+/y;
const LINE_COMMENT = /\/\/[^\n]*/y;
const BLOCK_COMMENT = /\/\*.*?\*\//sy;
const IDENTIFIER = /[A-Za-z_][A-Za-z0-9_]*/y;
const FLOAT = /[0-9]+\.[0-9]*(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+/y;
const INTEGER = /0[xX][0-9a-fA-F]+|[0-9]+/y;
const STRING = /"(?:[^"\\\n]|\\[^\n])*"|'(?:[^'\\\n]|\\[^\n])*'/y;
/** What ends a scope: a comment above it belongs to nothing that follows. */
const CLOSING = /[}\])]/y;
const SYMBOL = /[{}[\]()<>=;:,.+\-/]/y;
const WORD_AFTER_NUMBER = /[A-Za-z0-9_]/;

/** The tokens of a file, ending with one of kind `end`. What is no token is reported and left out. */
export function tokenize(file: SourceFile, diagnostics: Diagnostics): Token[] {
  return new Lexer(file, diagnostics).run();
}

class Lexer {
  private readonly tokens: Token[] = [];
  private readonly file: SourceFile;
  private readonly diagnostics: Diagnostics;
  private readonly text: string;
  private pos = 0;
  /** The comment that the next token gets. */
  private leading: string | undefined;
  private reported = false;

  constructor(file: SourceFile, diagnostics: Diagnostics) {
    this.file = file;
    this.diagnostics = diagnostics;
    this.text = file.text;
    if (this.text.charCodeAt(0) === 0xfeff) this.pos = 1;
  }

  run(): Token[] {
    for (;;) {
      this.leading = this.readGap();
      if (this.pos >= this.text.length) break;
      this.readToken();
    }
    this.push("end", "", this.pos);
    return this.tokens;
  }

  /** Reads what is between two tokens; the result is the comment of the next one. */
  private readGap(): string | undefined {
    const comments = new GapComments(this.tokens.at(-1));
    if (this.tokens.length > 0 && !this.readRestOfLine(comments)) return undefined;
    for (;;) {
      this.match(BLANK);
      const comment = this.readComment();
      if (comment !== undefined) comments.add(comment);
      else if (this.takeLineEnd()) comments.endParagraph();
      else break;
    }
    CLOSING.lastIndex = this.pos;
    if (this.pos >= this.text.length || CLOSING.test(this.text)) comments.flush();
    return comments.leading;
  }

  /** Reads to the end of the previous token's line. False if the next token is on it: then there are no comments. */
  private readRestOfLine(comments: GapComments): boolean {
    this.match(BLANK);
    const comment = this.readComment();
    if (comment === undefined) return this.takeLineEnd();
    if (!comment.endsLine) {
      while (this.match(BLANK) || this.takeLineEnd() || this.readComment() !== undefined);
      return false;
    }
    comments.add(comment);
    comments.flush();
    return true;
  }

  private takeLineEnd(): boolean {
    if (this.text[this.pos] !== "\n") return false;
    this.pos++;
    return true;
  }

  /** Reads a comment and what is left of its last line, if that is blank. */
  private readComment(): Comment | undefined {
    const start = this.pos;
    if (this.text[start] !== "/") return undefined;
    if (this.match(LINE_COMMENT)) {
      const line = this.text.slice(start + 2, this.pos);
      this.takeLineEnd();
      return { lines: [line], isLine: true, endsLine: true };
    }
    if (!this.match(BLOCK_COMMENT)) return undefined;
    const block = this.text.slice(start + 2, this.pos - 2);
    const nested = `${block}*`.indexOf("/*");
    if (nested !== -1) this.error(start + "/*".length + nested, "a comment in a comment: the first */ ends both");
    this.match(BLANK);
    return { lines: blockLines(block), isLine: false, endsLine: this.takeLineEnd() };
  }

  private readToken(): void {
    const start = this.pos;
    if (this.take("identifier", IDENTIFIER)) return;
    if (this.text.startsWith("/*", start)) {
      this.skipBadCharacter(start);
      return;
    }
    if (this.take("float", FLOAT) || this.take("integer", INTEGER)) {
      this.checkNumberEnd(start);
      return;
    }
    if (this.take("string", STRING) || this.take("symbol", SYMBOL)) return;
    this.skipBadCharacter(start);
  }

  private take(kind: TokenKind, pattern: RegExp): boolean {
    const start = this.pos;
    if (!this.match(pattern)) return false;
    this.push(kind, this.text.slice(start, this.pos), start);
    return true;
  }

  private push(kind: TokenKind, text: string, offset: number): void {
    this.tokens.push({ kind, text, offset, leading: this.leading, trailing: undefined });
    this.reported = false;
  }

  /** Steps over what the pattern matches here. */
  private match(pattern: RegExp): boolean {
    pattern.lastIndex = this.pos;
    if (!pattern.test(this.text)) return false;
    this.pos = pattern.lastIndex;
    return true;
  }

  private checkNumberEnd(start: number): void {
    const next = this.text[this.pos];
    if (next !== undefined && WORD_AFTER_NUMBER.test(next))
      this.report(start, "a number must be followed by a space or a symbol");
  }

  private skipBadCharacter(start: number): void {
    this.pos++;
    const character = this.text[start]!;
    if (character === '"' || character === "'") {
      this.report(start, "this string is not closed on its line");
      const lineEnd = this.text.indexOf("\n", start);
      this.pos = lineEnd === -1 ? this.text.length : lineEnd;
    } else if (this.text.startsWith("/*", start)) {
      this.report(start, "this comment is not closed");
      this.pos = this.text.length;
    } else {
      this.report(start, `unexpected character ${JSON.stringify(character)}`);
    }
  }

  /** One error for a run of bad characters is enough. */
  private report(offset: number, text: string): void {
    if (!this.reported) this.error(offset, text);
    this.reported = true;
  }

  private error(offset: number, text: string): void {
    this.diagnostics.error({ file: this.file, offset }, text);
  }
}

/** One comment: `// ...` to the end of its line, or a block. */
interface Comment {
  readonly lines: readonly string[];
  readonly isLine: boolean;
  /** True if nothing else follows on its last line. */
  readonly endsLine: boolean;
}

/** Gives the comments between two tokens to the one before or the one after. Lines of `//` together are one comment. */
class GapComments {
  private readonly previous: Token | undefined;
  private lines: string[] | undefined;
  private isLine = false;
  private canTrail: boolean;

  constructor(previous: Token | undefined) {
    this.previous = previous;
    this.canTrail = previous !== undefined;
  }

  add({ lines, isLine }: Comment): void {
    if (!isLine || !this.isLine) this.flush();
    this.lines = [...(this.lines ?? []), ...lines];
    this.isLine = isLine;
  }

  /** Ends a comment that the next token cannot have: the first is the previous token's, others are nobody's. */
  flush(): void {
    if (this.lines !== undefined && this.canTrail) {
      this.previous!.trailing = commentText(this.lines);
      this.canTrail = false;
    }
    this.lines = undefined;
  }

  /** A blank line: what follows is not the previous token's. */
  endParagraph(): void {
    this.flush();
    this.canTrail = false;
  }

  get leading(): string | undefined {
    return this.lines && commentText(this.lines);
  }
}

/** Each line with its line feed, as protoc has it; joined even if it is one, since a slice would keep the whole text in memory. */
function commentText(lines: readonly string[]): string {
  return [...lines, ""].join("\n");
}

function blockLines(body: string): string[] {
  const lines = body
    .split("\n")
    .map((line, index) => (index === 0 ? line.replace(/^\*/, "") : line.replace(/^\s*\*?/, "")));
  while (lines.length > 0 && lines[0]!.trim() === "") lines.shift();
  while (lines.length > 0 && lines.at(-1)!.trim() === "") lines.pop();
  return lines;
}

const SIMPLE_ESCAPES: ReadonlyMap<string, number> = new Map(
  Object.entries({ a: 7, b: 8, f: 12, n: 10, r: 13, t: 9, v: 11, "\\": 92, "'": 39, '"': 34, "?": 63 }),
);
const ESCAPE =
  /\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|[0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))/gs;

/** The bytes that a string token stands for, or undefined if it has an escape that protobuf does not know. */
export function unquote(text: string): Buffer | undefined {
  const body = text.slice(1, -1);
  if (!body.includes("\\")) return Buffer.from(body);
  const parts: Buffer[] = [];
  let copied = 0;
  for (const found of body.matchAll(ESCAPE)) {
    const bytes = unescapeOne(found);
    if (bytes === undefined) return undefined;
    parts.push(Buffer.from(body.slice(copied, found.index)), bytes);
    copied = found.index + found[0].length;
  }
  parts.push(Buffer.from(body.slice(copied)));
  return Buffer.concat(parts);
}

function parseHex(digits: string): number {
  return Number.parseInt(digits, 16);
}

/** `units` is one UTF-16 code unit, or the two of a character beyond 16 bits. */
function unescapeOne([, octal, hex, units, point, other]: RegExpMatchArray): Buffer | undefined {
  if (octal !== undefined) return Buffer.of(Number.parseInt(octal, 8) & 255);
  if (hex !== undefined) return Buffer.of(Number.parseInt(hex, 16));
  if (units !== undefined) return Buffer.from(String.fromCharCode(...units.split("\\u").map(parseHex)));
  if (point !== undefined)
    return parseHex(point) > 0x10ffff ? undefined : Buffer.from(String.fromCodePoint(parseHex(point)));
  const simple = SIMPLE_ESCAPES.get(other!);
  return simple === undefined ? undefined : Buffer.of(simple);
}
