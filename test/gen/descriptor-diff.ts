// Holds our linked manifests to a FileDescriptorSet of another compiler, field by field. Options are compared by their
// meaning: both sides are brought to canonical bytes, and an option that our linker does not know is a difference.

import type { DeclaredFile } from "../../src/gen/declare.js";
import { FileDescriptorProto } from "../../src/gen/descriptor/descriptor.js";
import { decodeOptions, encodeOptions, type FindExtension } from "../../src/gen/descriptor/option-bytes.js";
import { toDescriptor } from "../../src/gen/descriptor/to-descriptor.js";
import { allMessages, type FieldModel, type MessageModel } from "../../src/gen/model.js";

/** The schema of the options of what a property holds. */
const SCHEMAS: Readonly<Record<string, string>> = {
  file: "FileOptions",
  messageType: "MessageOptions",
  nestedType: "MessageOptions",
  field: "FieldOptions",
  extension: "FieldOptions",
  extensionRange: "ExtensionRangeOptions",
  oneofDecl: "OneofOptions",
  enumType: "EnumOptions",
  value: "EnumValueOptions",
  service: "ServiceOptions",
  method: "MethodOptions",
};

/** What differs, as `file: path: ours / theirs`. Both sides must be of the same manifests, imports included. */
export function diffDescriptors(ours: readonly DeclaredFile[], theirs: readonly FileDescriptorProto[]): string[] {
  const byName = new Map(theirs.map((file) => [file.name, file]));
  const differ = new DescriptorDiffer(ours);
  for (const file of ours) {
    const other = byName.get(file.model.name);
    if (other !== undefined) differ.compareFile(file, other);
  }
  const names = new Set(ours.map(({ model }) => model.name));
  for (const { name } of theirs) if (!names.has(name!)) differ.differences.push(`${name}: only theirs`);
  return differ.differences;
}

class DescriptorDiffer {
  readonly differences: string[] = [];
  private readonly schemas: ReadonlyMap<string, MessageModel>;
  private readonly find: FindExtension;

  constructor(files: readonly DeclaredFile[]) {
    const messages = files.flatMap(({ model }) => allMessages(model));
    this.schemas = new Map(messages.map((message) => [message.fullName, message]));
    const extensions = new Map<string, FieldModel>();
    for (const { model } of files.flatMap((file) => file.extensions)) {
      extensions.set(`${model.extendee?.fullName} ${model.number}`, model);
    }
    this.find = ({ fullName }, number) => extensions.get(`${fullName} ${number}`);
  }

  compareFile(file: DeclaredFile, theirs: FileDescriptorProto): void {
    const ours = FileDescriptorProto.fromBytes(FileDescriptorProto.toBytes(toDescriptor(file)));
    this.compare(ours, { ...theirs, sourceCodeInfo: undefined }, `${file.model.name}:`, "file");
  }

  private compare(ours: unknown, theirs: unknown, path: string, owner: string): void {
    if (Array.isArray(ours) && Array.isArray(theirs)) {
      for (let index = 0; index < Math.max(ours.length, theirs.length); index++) {
        this.compare(ours[index], theirs[index], `${path}[${nameOf(theirs[index] ?? ours[index]) ?? index}]`, owner);
      }
    } else if (isRecord(ours) && isRecord(theirs)) {
      for (const key of new Set([...Object.keys(ours), ...Object.keys(theirs)])) {
        if (key === "options") this.compareOptions(ours[key], theirs[key], `${path}.options`, owner);
        else this.compare(ours[key], theirs[key], `${path}.${key}`, key);
      }
    } else if (!Object.is(ours, theirs) && !(path.endsWith(".defaultValue") && isSameFloat(ours, theirs))) {
      this.differences.push(`${path}: ${show(ours)} / ${show(theirs)}`);
    }
  }

  private compareOptions(ours: unknown, theirs: unknown, path: string, owner: string): void {
    const [left, right] = [asBytes(ours), asBytes(theirs)];
    const schema = this.schemas.get(`google.protobuf.${SCHEMAS[owner]}`)!;
    let isComplete = true;
    const find: FindExtension = (extendee, number) => {
      const found = this.find(extendee, number);
      isComplete &&= found !== undefined;
      return found;
    };
    const canonical = encodeOptions(decodeOptions(right, schema, find));
    if (isComplete && left.equals(canonical)) return;
    this.differences.push(
      `${path}: ${left.toString("hex")} / ${right.toString("hex")}${isComplete ? "" : " (not all known)"}`,
    );
  }
}

/** True for two spellings of one float: compilers write some defaults with more digits than are needed. */
function isSameFloat(ours: unknown, theirs: unknown): boolean {
  return /^[\d.e+-]{7,}$/.test(String(theirs)) && Math.fround(Number(ours)) === Math.fround(Number(theirs));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function nameOf(value: unknown): string | undefined {
  return isRecord(value) && typeof value.name === "string" ? value.name : undefined;
}

function asBytes(value: unknown): Buffer {
  return value instanceof Uint8Array ? Buffer.from(value) : Buffer.alloc(0);
}

function show(value: unknown): string {
  return JSON.stringify(value) ?? "absent";
}
