// `targets` in the declaration of an option: what it may be set on, and within an option's value what the field may be
// used for. As protoc does, it looks at the manifests of a run and not at what they import.

import {
  allEnums,
  allExtensions,
  allMessages,
  type Element,
  type FieldModel,
  type FileModel,
  OptionMessage,
  type OptionResult,
} from "./model.js";
import type { Diagnostics, Position } from "./source.js";

/** What options are set on, at its number in descriptor.proto's `OptionTargetType`. */
const TARGETS = [
  "unknown",
  "file",
  "extension range",
  "message",
  "field",
  "oneof",
  "enum",
  "enum value",
  "service",
  "method",
] as const;
type Target = (typeof TARGETS)[number];

/** Reports options on what their declaration does not let them be set on. */
export function reportTargets(file: FileModel, diagnostics: Diagnostics): void {
  for (const [target, { options, position }] of optionHolders(file))
    new TargetCheck(target, diagnostics).message(options, position);
}

type Holder = Pick<Element, "options" | "position">;

function* optionHolders(file: FileModel): Generator<[Target, Holder]> {
  const all = (target: Target, holders: readonly Holder[]): [Target, Holder][] =>
    holders.map((holder) => [target, holder]);
  yield ["file", file];
  for (const message of allMessages(file)) {
    const ranges = message.extensionRanges.map(({ options }) => ({ options, position: message.position }));
    yield* all("extension range", ranges);
    yield ["message", message];
    yield* all("field", message.fields);
    yield* all("oneof", message.oneofs);
  }
  yield* all("field", allExtensions(file));
  for (const declared of allEnums(file)) yield* [...all("enum", [declared]), ...all("enum value", declared.values)];
  for (const service of file.services) yield* [...all("service", [service]), ...all("method", service.methods)];
}

class TargetCheck {
  private readonly target: Target;
  private readonly diagnostics: Diagnostics;

  constructor(target: Target, diagnostics: Diagnostics) {
    this.target = target;
    this.diagnostics = diagnostics;
  }

  /** `around` is where what holds the options stands, for those whose own place is not known. */
  message({ values, fields, positions }: OptionMessage, around: Position): void {
    for (const [key, value] of values) {
      const position = positions.get(key) ?? around;
      const field = fields.get(key);
      if (field !== undefined) this.field(field, position);
      for (const item of Array.isArray(value) ? value : [value]) this.value(item, field, position);
    }
  }

  private value(value: OptionResult, field: FieldModel | undefined, position: Position): void {
    const held = field?.cardinality === "map" && value instanceof OptionMessage ? value.get("value") : value;
    if (held instanceof OptionMessage) this.message(held, position);
  }

  private field(field: FieldModel, position: Position): void {
    const targets = field.options.get("targets");
    if (!Array.isArray(targets) || targets.includes(TARGETS.indexOf(this.target))) return;
    const allowed = targets.map((number) => TARGETS[Number(number)] ?? number).join(", ");
    this.diagnostics.error(
      position,
      `option "${field.fullName}" is not for this ${this.target}; its targets: ${allowed}`,
    );
  }
}
