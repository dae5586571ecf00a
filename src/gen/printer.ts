// Collects the text of one generated file and, at the end, the imports that the text turned out to need. A name that
// is imported but also declared in the file gets an alias, so emitters can use any name without looking.

import { posix } from "node:path";

/** How generated files name each other in imports. */
export type ImportExtension = ".js" | ".ts" | "none";

interface Imported {
  readonly alias: string;
  typeOnly: boolean;
}

/** The widest line that the printer joins; longer lists go one entry a line. */
export const LINE_WIDTH = 120;

/** The text of a generated file under construction. */
export class Printer {
  /** The outermost blocks that are complete, a string each: their lines would be many to keep. */
  private readonly blocks: string[] = [];
  private lines: string[] = [];
  private readonly imports = new Map<string, Map<string, Imported>>();
  private readonly taken: Set<string>;
  private indent = "";

  /** `declared` are the names of the file's own declarations. */
  constructor(declared: Iterable<string>) {
    this.taken = new Set(declared);
  }

  /** Adds lines at the current indentation; a text may span several. */
  line(...texts: string[]): void {
    for (const text of texts) {
      if (!text.includes("\n")) this.add(text);
      else for (const part of text.split("\n")) this.add(part);
    }
  }

  /** Adds `head`, what `body` adds one step deeper, and `tail` unless it is empty. */
  block(head: string, body: () => void, tail = "}"): void {
    this.line(head);
    this.indent += "  ";
    body();
    this.indent = this.indent.slice(2);
    if (tail !== "") this.line(tail);
    if (this.indent !== "") return;
    this.blocks.push(this.lines.join("\n"));
    this.lines = [];
  }

  /** The local name of something that a module exports, as a value. */
  value(module: string, name: string): string {
    const imported = this.import(module, name);
    imported.typeOnly = false;
    return imported.alias;
  }

  /** The local name of something that a module exports, as a type. */
  type(module: string, name: string): string {
    return this.import(module, name).alias;
  }

  /** The whole file: header, imports in order of their modules, body. */
  finish(header: string): string {
    const modules = [...this.imports.keys()].sort(compareModules);
    const imports = modules.map((module) => importStatement(module, this.imports.get(module)!));
    const body = [...this.blocks, ...this.lines];
    while (body.at(-1) === "") body.pop();
    if (body.length === 0) body.push("export {};");
    // In one step: a file's text may be large, and every copy of it would be.
    return [header, "", ...imports, ...(imports.length > 0 ? [""] : []), ...body, ""].join("\n");
  }

  private add(line: string): void {
    this.lines.push(line === "" ? "" : this.indent + line);
  }

  private import(module: string, name: string): Imported {
    let names = this.imports.get(module);
    if (names === undefined) {
      names = new Map();
      this.imports.set(module, names);
    }
    const known = names.get(name);
    if (known !== undefined) return known;
    let alias = name;
    for (let count = 1; this.taken.has(alias); count++) alias = `${name}$${count}`;
    this.taken.add(alias);
    const imported = { alias, typeOnly: true };
    names.set(name, imported);
    return imported;
  }
}

/** The module specifier by which the generated file `from` imports the generated file `to` (both with `/`, ending in .ts). */
export function specifierOf(from: string, to: string, extension: ImportExtension): string {
  const path = posix.relative(posix.dirname(from), to).replace(/\.ts$/, extension === "none" ? "" : extension);
  return path.startsWith("../") ? path : `./${path}`;
}

/** A string literal that is safe inside any generated code. */
export function literal(text: string): string {
  return JSON.stringify(text).replace(
    /[\p{Zl}\p{Zp}\p{Cc}]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** A property key: a bare name where one is possible, otherwise quoted. `__proto__` is computed: bare, it would set the prototype. */
export function propertyKey(name: string): string {
  if (name === "__proto__") return '["__proto__"]';
  return /^[A-Za-z_$][A-Za-z0-9_$]*$/.test(name) ? name : literal(name);
}

/** Code for a value: the text of a single one, or what holds others. */
export type Literal = string | readonly Literal[] | { readonly [key: string]: Literal };

/** A value as code: one line if it fits, else an entry a line, the last one at `indent`. */
export function writeLiteral(value: Literal, indent = ""): string {
  if (typeof value === "string") return value;
  const inside = `${indent}  `;
  const parts = Array.isArray(value)
    ? value.map((item) => writeLiteral(item, inside))
    : Object.entries(value).map(([key, item]) => `${propertyKey(key)}: ${writeLiteral(item, inside)}`);
  const [open, close] = Array.isArray(value) ? ["[", "]"] : ["{", "}"];
  if (parts.length === 0) return open + close;
  const gap = Array.isArray(value) ? "" : " ";
  const line = `${open}${gap}${parts.join(", ")}${gap}${close}`;
  if (line.length + indent.length <= LINE_WIDTH && !line.includes("\n")) return line;
  return `${open}\n${parts.map((part) => `${inside}${part},\n`).join("")}${indent}${close}`;
}

/** A manifest's comment as TSDoc lines, or none. The text cannot end the comment. */
export function docComment(comment: string | undefined, extra: readonly string[] = []): string[] {
  const lines = [...commentLines(comment), ...extra];
  if (lines.length === 0) return [];
  if (lines.length === 1) return [`/** ${lines[0]} */`];
  return ["/**", ...lines.map((line) => (line === "" ? " *" : ` * ${line}`)), " */"];
}

function commentLines(comment: string | undefined): string[] {
  if (comment === undefined) return [];
  const lines = comment
    .replace(/\*\//g, "*\\/")
    .replace(/[\u2028\u2029]|\r(?!\n)/g, "\n")
    .split("\n")
    .map((line) => line.replace(/(?!\t)\p{Cc}/gu, "").trimEnd());
  const margin = Math.min(...lines.filter((line) => line !== "").map((line) => line.length - line.trimStart().length));
  const cut = lines.map((line) => line.slice(Number.isFinite(margin) ? margin : 0));
  while (cut.length > 0 && cut[0] === "") cut.shift();
  while (cut.length > 0 && cut.at(-1) === "") cut.pop();
  return cut;
}

function importStatement(module: string, names: ReadonlyMap<string, Imported>): string {
  const allTypes = [...names.values()].every(({ typeOnly }) => typeOnly);
  const entries = [...names]
    .sort(([a], [b]) => compareNames(a, b))
    .map(([name, imported]) => importEntry(name, imported, allTypes));
  const head = allTypes ? "import type" : "import";
  const joined = `${head} { ${entries.join(", ")} } from ${literal(module)};`;
  if (joined.length <= LINE_WIDTH) return joined;
  return `${head} {\n${entries.map((entry) => `  ${entry},\n`).join("")}} from ${literal(module)};`;
}

function importEntry(name: string, { alias, typeOnly }: Imported, allTypes: boolean): string {
  const binding = alias === name ? name : `${name} as ${alias}`;
  return typeOnly && !allTypes ? `type ${binding}` : binding;
}

/** Alphabetical; of the same letter the capital comes first. */
function compareNames(a: string, b: string): number {
  for (let index = 0; index < Math.min(a.length, b.length); index++) {
    const [left, right] = [a[index]!, b[index]!];
    if (left === right) continue;
    const [lowerLeft, lowerRight] = [left.toLowerCase(), right.toLowerCase()];
    if (lowerLeft === lowerRight) return left < right ? -1 : 1;
    return lowerLeft < lowerRight ? -1 : 1;
  }
  return a.length - b.length;
}

/** Packages before relative paths, then by name. */
function compareModules(a: string, b: string): number {
  return Number(a.startsWith(".")) - Number(b.startsWith(".")) || (a < b ? -1 : 1);
}
