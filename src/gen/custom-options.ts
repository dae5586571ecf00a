// Which options of a declaration are a program's to see: of those that manifests declare not sluice's own, which are
// policy, and of all none whose declaration keeps it to the source (`retention = RETENTION_SOURCE`).

import {
  type Element,
  type EnumModel,
  type FieldModel,
  type MessageModel,
  OptionMessage,
  type OptionResult,
} from "./model.js";

/** `RETENTION_SOURCE` of descriptor.proto's `OptionRetention`. */
const SOURCE = 2;

type Holder = Pick<Element, "options">;

/** The keys of the custom options of a declaration. */
export function customKeys({ options: { values, fields } }: Holder): string[] {
  const isCustom = (key: string): boolean => key.startsWith("[") && !key.startsWith("[sluice.");
  return [...values.keys()].filter((key) => isCustom(key) && !isForSource(fields.get(key)));
}

/** Options without those that are kept to the source, at any depth, in the order of their numbers, as descriptors have them. */
export function runtimeOptions({ values, fields }: OptionMessage): OptionMessage {
  const kept = new OptionMessage();
  const all = [...values].map(([key, value]) => ({ key, value, field: fields.get(key)! }));
  for (const { key, value, field } of all.sort((a, b) => a.field.number - b.field.number)) {
    if (isForSource(field)) continue;
    kept.fields.set(key, field);
    kept.values.set(key, runtimeValue(value));
  }
  return kept;
}

function runtimeValue(value: OptionResult): OptionResult {
  if (Array.isArray(value)) return value.map(runtimeValue);
  return value instanceof OptionMessage ? runtimeOptions(value) : value;
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
