// Everything in a manifest that can have options, for rules that hold for options wherever they are.

import { allEnums, allExtensions, allMessages, type Element, type FileModel } from "./model.js";

/** What options are set on, at its number in descriptor.proto's `OptionTargetType`. */
export const TARGETS = [
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
/** One of {@link TARGETS}. */
export type OptionTarget = (typeof TARGETS)[number];

/** Something with options. */
export type OptionHolder = Pick<Element, "options" | "position">;

/** All that can have options, each with what it is. A range for extensions stands where its message does. */
export function* optionHolders(file: FileModel): Generator<[OptionTarget, OptionHolder]> {
  const all = (target: OptionTarget, holders: readonly OptionHolder[]): [OptionTarget, OptionHolder][] =>
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
