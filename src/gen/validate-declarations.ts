// `declaration` in the options of an extension range: who has which of its numbers. Every extension in such a range must be
// as it was declared. protoc's rules.

import { DESCRIPTOR_MANIFEST } from "./link.js";
import { type ExtensionRangeModel, type FieldModel, type MessageModel, OptionMessage, SCALARS } from "./model.js";
import type { Diagnostics, Position } from "./source.js";

/** DECLARATION of ExtensionRangeOptions.VerificationState: what is not declared is refused. */
const MUST_DECLARE = 0;
const UNVERIFIED = 1;

/** Reports declarations of extensions that contradict their range or each other. */
export function reportDeclarations({ extensionRanges, position }: MessageModel, diagnostics: Diagnostics): void {
  const names = new Set<string>();
  for (const range of extensionRanges) {
    const declared = declarationsOf(range);
    const at = range.options.positions.get("declaration") ?? position;
    const report = (text: string): void => diagnostics.error(at, text);
    if (declared.length > 0 && range.options.get("verification") === UNVERIFIED)
      report("a range with declarations is not UNVERIFIED");
    const numbers = new Set<number>();
    for (const declaration of declared) {
      for (const flaw of flawsOf(declaration, range, numbers, names)) report(flaw);
      numbers.add(declaration.number);
      if (declaration.fullName !== undefined) names.add(declaration.fullName);
    }
  }
}

/** Reports an extension that is not as its number was declared. protoc does not mind those of its own option messages. */
export function reportUndeclared(extension: FieldModel, extendee: MessageModel, diagnostics: Diagnostics): void {
  const { number, position } = extension;
  if (extendee.file.name === DESCRIPTOR_MANIFEST) return;
  const range = extendee.extensionRanges.find(({ first, last }) => number >= first && number <= last);
  if (range === undefined) return;
  const declared = declarationsOf(range);
  const declaration = declared.find((other) => other.number === number);
  const isChecked = declared.length > 0 || range.options.get("verification") === MUST_DECLARE;
  if (declaration === undefined) {
    if (isChecked) diagnostics.error(position, `${extendee.fullName} does not declare an extension ${number}`);
  } else for (const flaw of mismatches(extension, declaration)) reportMismatch(flaw, extendee, position, diagnostics);
}

function reportMismatch(flaw: string, { fullName }: MessageModel, position: Position, diagnostics: Diagnostics): void {
  diagnostics.error(position, `${fullName} declares this extension otherwise: ${flaw}`);
}

interface Declaration {
  readonly number: number;
  readonly fullName: string | undefined;
  readonly type: string | undefined;
  readonly isReserved: boolean;
  readonly isRepeated: boolean;
}

function declarationsOf({ options }: ExtensionRangeModel): Declaration[] {
  const list = options.get("declaration");
  return (Array.isArray(list) ? list : []).filter((item) => item instanceof OptionMessage).map(declarationOf);
}

function declarationOf(option: OptionMessage): Declaration {
  const text = (name: string): string | undefined => {
    const value = option.get(name);
    return typeof value === "string" ? value : undefined;
  };
  return {
    number: Number(option.get("number") ?? 0),
    fullName: text("full_name"),
    type: text("type"),
    isReserved: option.get("reserved") === true,
    isRepeated: option.get("repeated") === true,
  };
}

function* flawsOf(
  { number, fullName, type, isReserved }: Declaration,
  { first, last }: ExtensionRangeModel,
  numbers: ReadonlySet<number>,
  names: ReadonlySet<string>,
): Generator<string> {
  if (number < first || number > last) yield `the declared number ${number} is not in the range`;
  if (numbers.has(number)) yield `the number ${number} is declared twice`;
  if (fullName === undefined || type === undefined) {
    if (!isReserved || fullName !== type) yield `the declaration of ${number} needs a full_name and a type`;
    return;
  }
  if (names.has(fullName)) yield `the extension "${fullName}" is declared twice`;
  if (!isAbsolute(fullName)) yield `the full_name "${fullName}" does not begin with a dot`;
  if (!isAbsolute(type) && !SCALARS.has(type)) yield `the type "${type}" is no scalar and does not begin with a dot`;
}

function isAbsolute(name: string): boolean {
  return /^(\.[A-Za-z_][A-Za-z0-9_]*)+$/.test(name);
}

function* mismatches(extension: FieldModel, declared: Declaration): Generator<string> {
  const { fullName, cardinality } = extension;
  if (declared.isReserved) yield "the number is reserved";
  if (declared.type !== undefined && declared.type !== typeOf(extension)) yield `its type is ${declared.type}`;
  if (declared.isRepeated !== (cardinality === "repeated")) yield `it is${declared.isRepeated ? "" : " not"} repeated`;
  if (declared.fullName !== undefined && declared.fullName !== `.${fullName}`) yield `its name is ${declared.fullName}`;
}

function typeOf({ type }: FieldModel): string {
  if (type.kind === "scalar") return type.scalar;
  return `.${(type.kind === "enum" ? type.enum : type.message).fullName}`;
}
