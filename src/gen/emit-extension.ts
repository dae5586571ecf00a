// What an extension becomes, where messages keep unknown fields: a constant that reads and writes it in the messages that
// it extends. Its functions are those of a message that has nothing but the extension.

import { emitDecode } from "./emit-decode.js";
import { emitEncode } from "./emit-encode.js";
import { deprecation, fieldType } from "./emit-types.js";
import type { FieldModel, MessageModel } from "./model.js";
import { extensionInitName } from "./names.js";
import { docComment, literal } from "./printer.js";
import type { Target } from "./target.js";

/** True if the extension has a constant: it must be a field on the wire, which those of message sets are not. */
export function isEmitted({ extendee }: FieldModel): boolean {
  return extendee !== undefined && extendee.options.get("message_set_wire_format") !== true;
}

/** Emits the constant of an extension and the functions behind it. */
export function emitExtension(target: Target, extension: FieldModel, extendee: MessageModel): void {
  const holder = holderOf(extension, extendee);
  emitConstant(target, extension, extendee);
  emitHolder(target, holder);
  emitEncode(target, holder);
  emitDecode(target, holder);
}

function emitConstant(target: Target, extension: FieldModel, extendee: MessageModel): void {
  const { printer } = target;
  const type = target.runtime("Extension");
  const value = fieldType(target, extension);
  const decoded = extension.cardinality === "single" ? `${value} | undefined` : value;
  const types = `${target.messageInitType(extendee)}, ${decoded}, ${fieldType(target, extension, "init")}`;
  printer.line(...docComment(extension.comment, [`Extends {@link ${extendee.localName}}.`, ...deprecation(extension)]));
  printer.block(
    `export const ${extension.localName}: ${type}<${types}> = /* @__PURE__ */ new ${type}(`,
    () => {
      printer.block(
        "{",
        () =>
          printer.line(
            `name: ${literal(extension.fullName)},`,
            `extendee: ${literal(extendee.fullName)},`,
            `number: ${extension.number},`,
            `encode: encode${extension.localName},`,
            `decode: decode${extension.localName},`,
          ),
        "},",
      );
      printer.line("1,");
    },
    ");",
  );
  printer.line("");
}

/** The type of the message that has nothing but the extension. */
function emitHolder(target: Target, { localName, initName, fields }: MessageModel): void {
  const field = fields[0]!;
  const value = fieldType(target, field);
  const init = `value?: ${fieldType(target, field, "init")} | undefined; $unknown?: readonly Uint8Array[] | undefined`;
  const decoded = field.cardinality === "single" ? `value?: ${value} | undefined` : `value: ${value}`;
  target.printer.line(
    `type ${localName} = { ${decoded}; $unknown?: Uint8Array[] | undefined };`,
    `type ${initName} = { ${init} };`,
    "",
  );
}

/** An extension is set or not, whatever the syntax of its manifest. */
export function presenceOf({ cardinality, presence }: FieldModel): FieldModel["presence"] {
  return cardinality === "single" ? "explicit" : presence;
}

function holderOf(extension: FieldModel, extendee: MessageModel): MessageModel {
  return {
    ...extendee,
    name: extension.name,
    fullName: extension.fullName,
    localName: extension.localName,
    initName: extensionInitName(extension.localName),
    fields: [{ ...extension, localName: "value", presence: presenceOf(extension) }],
    oneofs: [],
  };
}
