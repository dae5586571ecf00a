// What a manifest says, as written: declarations with positions, names unresolved, options unread. The parser makes
// it and the linker reads it; anything that could describe a manifest (a descriptor set) can be turned into it.

import type { SourceFile } from "./source.js";

/** A piece of text and where it stands. */
export interface Text {
  readonly text: string;
  readonly offset: number;
}

/** One part of an option's name: `(google.api.http)` is an extension, `deprecated` is not. */
export interface OptionPart extends Text {
  readonly extension: boolean;
}

/** How an integer is written, where that matters to its meaning: `-0` has a sign, and not every place takes 010 or 0x10. */
export type IntegerForm = "decimal" | "octal or hexadecimal" | "-0";

/** The value of an option, before it is read as what the option's type wants. */
export type OptionValue =
  | { readonly kind: "identifier"; readonly text: string; readonly offset: number }
  | { readonly kind: "integer"; readonly value: bigint; readonly form: IntegerForm; readonly offset: number }
  | { readonly kind: "float"; readonly value: number; readonly offset: number }
  | { readonly kind: "string"; readonly value: Buffer; readonly offset: number }
  | { readonly kind: "aggregate"; readonly fields: readonly AggregateField[]; readonly offset: number }
  | { readonly kind: "list"; readonly items: readonly OptionValue[]; readonly offset: number };

/** One `name: value` of an option written as `{ ... }`. */
export interface AggregateField {
  readonly name: OptionPart;
  readonly value: OptionValue;
}

/** `option name = value;` or one entry of `[name = value]`. */
export interface OptionSyntax {
  readonly path: readonly OptionPart[];
  readonly value: OptionValue;
  readonly offset: number;
}

/** What every declaration has. */
export interface DeclarationSyntax {
  readonly name: Text;
  readonly comment: string | undefined;
  readonly options: OptionSyntax[];
  /** Options that another compiler has read already, as a descriptor carries them. */
  readonly encodedOptions?: Uint8Array | undefined;
}

/** A closed range of numbers. */
export interface NumberRange {
  readonly first: number;
  readonly last: number;
  readonly offset: number;
}

/** One range of an `extensions` statement; `to max` is to infinity, since what it means depends on the message's options. */
export interface ExtensionRangeSyntax extends NumberRange {
  readonly options: readonly OptionSyntax[];
  readonly encodedOptions?: Uint8Array | undefined;
}

/** `reserved` statements. */
export interface Reservations {
  readonly reservedRanges: NumberRange[];
  readonly reservedNames: Text[];
}

/** A field, an extension, or a group. */
export interface FieldSyntax extends DeclarationSyntax {
  readonly label: "optional" | "required" | "repeated" | undefined;
  readonly labelOffset: number;
  /** For a map, the type of its values. */
  readonly type: Text;
  /** For a map, the type of its keys. */
  readonly mapKey: Text | undefined;
  readonly number: number;
  readonly numberOffset: number;
  /** True for a group, which declares a message beside its field. */
  readonly isGroup: boolean;
  /** Index into the message's oneofs. */
  readonly oneof: number | undefined;
}

/** `oneof name { ... }`. */
export interface OneofSyntax extends DeclarationSyntax {}

/** `extend Extendee { fields }`. */
export interface ExtendSyntax {
  readonly extendee: Text;
  readonly fields: FieldSyntax[];
}

/** `message Name { ... }`. */
export interface MessageSyntax extends DeclarationSyntax, Reservations {
  readonly fields: FieldSyntax[];
  readonly oneofs: OneofSyntax[];
  readonly messages: MessageSyntax[];
  readonly enums: EnumSyntax[];
  readonly extends: ExtendSyntax[];
  readonly extensionRanges: ExtensionRangeSyntax[];
  readonly visibility: Visibility | undefined;
}

/** Who may use a type, where its manifest says so (edition 2024). */
export type Visibility = "export" | "local";

/** `NAME = number;` in an enum. */
export interface EnumValueSyntax extends DeclarationSyntax {
  readonly number: number;
  readonly numberOffset: number;
}

/** `enum Name { ... }`. */
export interface EnumSyntax extends DeclarationSyntax, Reservations {
  readonly visibility: Visibility | undefined;
  readonly values: EnumValueSyntax[];
}

/** `rpc Name(Input) returns (Output);`. */
export interface MethodSyntax extends DeclarationSyntax {
  readonly input: Text;
  readonly output: Text;
  readonly inputStream: boolean;
  readonly outputStream: boolean;
}

/** `service Name { ... }`. */
export interface ServiceSyntax extends DeclarationSyntax {
  readonly methods: MethodSyntax[];
}

/** `import "path";`. */
export interface ImportSyntax {
  readonly path: Text;
  readonly kind: "plain" | "public" | "weak" | "option";
}

/** How a manifest's defaults are chosen: by its syntax or by its edition. */
export type Edition = "proto2" | "proto3" | "2023" | "2024" | "2026";

/** One manifest. */
export interface FileSyntax {
  /** Options that another compiler has read already. */
  readonly encodedOptions?: Uint8Array | undefined;
  readonly source: SourceFile;
  edition: Edition;
  package: Text | undefined;
  readonly comment: string | undefined;
  readonly imports: ImportSyntax[];
  readonly options: OptionSyntax[];
  readonly messages: MessageSyntax[];
  readonly enums: EnumSyntax[];
  readonly services: ServiceSyntax[];
  readonly extends: ExtendSyntax[];
}
