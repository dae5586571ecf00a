// Which options of a declaration are a program's to see: those that manifests declare, but for sluice's own, which are
// policy, and for those whose declaration keeps them to the source (`retention = RETENTION_SOURCE`).

import type { Element, EnumModel, FieldModel, MessageModel, OptionMessage } from "./model.js";

/** `RETENTION_SOURCE` of descriptor.proto's `OptionRetention`. */
const SOURCE = 2;

type Holder = Pick<Element, "options">;

/** The keys of the custom options of a declaration. */
export function customKeys({ options }: Holder): string[] {
  return visibleKeys(options).filter((key) => key.startsWith("[") && !key.startsWith("[sluice."));
}

/** The keys of what programs see of an option's value. */
export function visibleKeys({ values, fields }: OptionMessage): string[] {
  return [...values.keys()].filter((key) => !isForSource(fields.get(key)));
}

/** True if a declaration has custom options. */
export function hasCustomOptions(holder: Holder): boolean {
  return customKeys(holder).length > 0;
}

/** True if a message, or a field or oneof of it, has custom options. */
export function tellsMessageOptions(message: MessageModel): boolean {
  return [message, ...message.fields, ...message.oneofs].some(hasCustomOptions);
}

/** True if an enum, or a value of it, has custom options. */
export function tellsEnumOptions(declared: EnumModel): boolean {
  return [declared, ...declared.values].some(hasCustomOptions);
}

function isForSource(field: FieldModel | undefined): boolean {
  return field?.options.get("retention") === SOURCE;
}
