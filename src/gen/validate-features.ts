// Rules of editions: which features can be set on what, what they forbid in turn, and the options that they replace. All are
// protoc's. Before editions there are no features.

import { isPackable } from "./link.js";
import { allExtensions, allMessages, type FieldModel, type FileModel, type OptionMessage } from "./model.js";
import { optionHolders } from "./option-holders.js";
import type { Diagnostics, Position } from "./source.js";

/** Numbers of descriptor.proto's FeatureSet. */
const IMPLICIT = 2;
const REQUIRED = 3;
const PACKED = 1;

/** Options that editions have as features, and since which. */
const REPLACED: readonly (readonly [option: string, feature: string, since: readonly FileModel["edition"][]])[] = [
  ["packed", "features.repeated_field_encoding", ["2023", "2024", "2026"]],
  ["ctype", "features.(pb.cpp).string_type", ["2024", "2026"]],
  ["java_string_check_utf8", "features.(pb.java).utf8_validation", ["2023", "2024", "2026"]],
];

/** Reports features that are set where they mean nothing, and what they do not allow. */
export function reportFeatures(file: FileModel, diagnostics: Diagnostics): void {
  const isEdition = file.edition !== "proto2" && file.edition !== "proto3";
  for (const [, { options, position }] of optionHolders(file)) {
    if (!options.values.has("features")) continue;
    const at = options.positions.get("features") ?? position;
    if (isEdition) reportUnknown(options, at, diagnostics);
    else diagnostics.error(at, `features are for editions; this is ${file.edition}`);
  }
  if (!isEdition) return;
  if (own(file.options, "field_presence") === REQUIRED)
    diagnostics.error(placeOf(file), "fields cannot be required by default");
  reportReplaced(file, diagnostics);
  for (const field of [...allMessages(file).flatMap(({ fields }) => fields), ...allExtensions(file)])
    for (const flaw of [...featureFlaws(field), ...presenceFlaws(field)]) diagnostics.error(placeOf(field), flaw);
}

function own(options: OptionMessage, feature: string): unknown {
  return options.message("features")?.get(feature);
}

function placeOf({ options, position }: Pick<FileModel, "options" | "position">): Position {
  return options.positions.get("features") ?? position;
}

/** The first value of each feature's enum stands for none. */
function reportUnknown(options: OptionMessage, around: Position, diagnostics: Diagnostics): void {
  const features = options.message("features");
  for (const [name, value] of features?.values ?? []) {
    if (value === 0 && !name.startsWith("["))
      diagnostics.error(features?.positions.get(name) ?? around, `features.${name} has no such value to set`);
  }
}

function reportReplaced(file: FileModel, diagnostics: Diagnostics): void {
  for (const [, { options, position }] of optionHolders(file)) {
    for (const [option, feature, since] of REPLACED) {
      if (options.values.has(option) && since.includes(file.edition))
        diagnostics.error(options.positions.get(option) ?? position, `this edition has ${feature} for ${option}`);
    }
  }
}

/** What is wrong with the features that a field sets itself. */
function* featureFlaws(field: FieldModel): Generator<string> {
  const { type, cardinality, mapKey } = field;
  const isMessage = type.kind === "message";
  const encoding = own(field.options, "repeated_field_encoding");
  if (encoding !== undefined && cardinality === "single") yield "only repeated fields have a repeated_field_encoding";
  if (encoding === PACKED && cardinality !== "single" && (cardinality === "map" || !isPackable(type)))
    yield "only repeated numbers, bools and enums can be packed";
  const isString = (type.kind === "scalar" && type.scalar === "string") || mapKey === "string";
  if (own(field.options, "utf8_validation") !== undefined && !isString) yield "only strings have a utf8_validation";
  if (own(field.options, "message_encoding") !== undefined && (!isMessage || cardinality === "map"))
    yield "only a field that holds messages has a message_encoding";
}

/** What is wrong with a field's presence, be it its own or that of what is around it. */
function* presenceFlaws(field: FieldModel): Generator<string> {
  const { type, cardinality, oneof, extendee, features, defaultValue } = field;
  const set = own(field.options, "field_presence");
  if (set !== undefined && cardinality !== "single") yield "a repeated field has no field_presence";
  if (set !== undefined && oneof !== undefined) yield "a field of a oneof has no field_presence of its own";
  if (set !== undefined && extendee !== undefined) yield "an extension has no field_presence of its own";
  if (set === IMPLICIT && type.kind === "message") yield "a field that holds a message is never IMPLICIT";
  const isImplicit = cardinality === "single" && extendee === undefined && field.presence === "implicit";
  if (isImplicit && defaultValue !== undefined) yield "a field with IMPLICIT presence has no default";
  const holdsImplicit = isImplicit || (cardinality === "map" && features.presence === "implicit");
  if (holdsImplicit && type.kind === "enum" && type.enum.features.closedEnums)
    yield `a field with IMPLICIT presence holds an open enum; ${type.enum.fullName} is closed`;
}
