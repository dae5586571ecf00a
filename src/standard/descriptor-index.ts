// What can be asked about descriptors: which file has a name, declares a symbol, extends a message. Files are read once, for
// their names only; their bytes are handed out as they came.

import { type Enum, type Field, File, FileSet, type Message } from "./gen/symbols.js";

/**
 * Descriptors of manifests: what `sluice generate --descriptors` writes, an encoded FileDescriptorProto each in base64; or
 * the bytes of a FileDescriptorSet, as `protoc --include_imports --descriptor_set_out` and `buf build -o` write it.
 */
export type Descriptors = readonly string[] | Uint8Array;

/** One file. */
export interface DescribedFile {
  readonly name: string;
  /** The encoded FileDescriptorProto. */
  readonly bytes: Uint8Array;
  /** The names of the files that it imports. */
  readonly imports: readonly string[];
}

/** Finds files. Of two with the same name, or declaring the same symbol, the first counts. */
export class DescriptorIndex {
  private readonly files = new Map<string, DescribedFile>();
  private readonly symbols = new Map<string, DescribedFile>();
  /** Extended message -> number of the extension -> the file that declares it. */
  private readonly extensions = new Map<string, Map<number, DescribedFile>>();

  /** Throws `DecodeError` if the bytes are no descriptors. */
  constructor(...sets: readonly Descriptors[]) {
    for (const bytes of sets.flatMap(filesOf)) this.addFile(bytes);
  }

  /** The file of this name. */
  file(name: string): DescribedFile | undefined {
    return this.files.get(name);
  }

  /** The file that declares a message, enum, service, method, field, oneof, extension or enum value; full names. */
  declaring(symbol: string): DescribedFile | undefined {
    return this.symbols.get(symbol);
  }

  /** The file that declares the extension of a message with this number. */
  extending(message: string, number: number): DescribedFile | undefined {
    return this.extensions.get(message)?.get(number);
  }

  /** The numbers of a message's extensions, in order. */
  extensionNumbers(message: string): number[] {
    return [...(this.extensions.get(message)?.keys() ?? [])].sort((a, b) => a - b);
  }

  /** The file and all that it imports, directly or not, each once, those nearest to it first. */
  withImports(file: DescribedFile): DescribedFile[] {
    const all = new Set([file]);
    for (const { imports } of all) {
      for (const name of imports) {
        const imported = this.files.get(name);
        if (imported !== undefined) all.add(imported);
      }
    }
    return [...all];
  }

  private addFile(bytes: Uint8Array): void {
    const read = File.fromBytes(bytes);
    if (this.files.has(read.name)) return;
    const file = { name: read.name, bytes, imports: [...read.dependency, ...read.optionDependency] };
    this.files.set(file.name, file);
    const scope = read.package === "" ? "" : `${read.package}.`;
    for (const message of read.message) this.addMessage(message, scope, file);
    for (const declared of read.enum) this.addEnum(declared, scope, file);
    for (const extension of read.extension) this.addExtension(extension, scope, file);
    for (const { name, method } of read.service) {
      this.addSymbol(scope + name, file);
      for (const each of method) this.addSymbol(`${scope}${name}.${each.name}`, file);
    }
  }

  private addMessage(message: Message, scope: string, file: DescribedFile): void {
    this.addSymbol(scope + message.name, file);
    const inner = `${scope}${message.name}.`;
    for (const { name } of [...message.field, ...message.oneof]) this.addSymbol(inner + name, file);
    for (const nested of message.nested) this.addMessage(nested, inner, file);
    for (const declared of message.enum) this.addEnum(declared, inner, file);
    for (const extension of message.extension) this.addExtension(extension, inner, file);
  }

  /** The values of an enum are named beside it, not within it, as in C++. */
  private addEnum({ name, value }: Enum, scope: string, file: DescribedFile): void {
    this.addSymbol(scope + name, file);
    for (const each of value) this.addSymbol(scope + each.name, file);
  }

  private addExtension({ name, extendee, number }: Field, scope: string, file: DescribedFile): void {
    this.addSymbol(scope + name, file);
    const message = extendee.replace(/^\./, "");
    const numbers = this.extensions.get(message) ?? new Map<number, DescribedFile>();
    this.extensions.set(message, numbers);
    if (!numbers.has(number)) numbers.set(number, file);
  }

  private addSymbol(name: string, file: DescribedFile): void {
    if (!this.symbols.has(name)) this.symbols.set(name, file);
  }
}

function filesOf(set: Descriptors): Uint8Array[] {
  if (set instanceof Uint8Array) return FileSet.fromBytes(set).file;
  return set.map((text) => Buffer.from(text, "base64"));
}
