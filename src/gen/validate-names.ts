// Names that differ in the manifest but not where generated code or JSON turn them into others: fields in JSON, values of
// an enum without the enum's own name before them. protoc's rules, which for what is old are warnings.

import type { EnumModel, EnumValueModel, FieldModel, MessageModel } from "./model.js";
import { jsonName } from "./names.js";
import type { Diagnostics } from "./source.js";

/** Reports fields that have one name in JSON. It minds names that `json_name` replaces, too: field masks use them. */
export function reportJsonClashes(message: MessageModel, diagnostics: Diagnostics): void {
  if (message.options.get("deprecated_legacy_json_field_conflicts") === true) return;
  reportClashes(message, false, diagnostics);
  reportClashes(message, true, diagnostics);
  for (const field of message.fields) reportBadName(field, diagnostics);
}

function reportClashes({ fields, features }: MessageModel, minded: boolean, diagnostics: Diagnostics): void {
  const isCustom = (field: FieldModel): boolean => minded && hasCustomName(field);
  const seen = new Map<string, FieldModel>();
  for (const field of fields) {
    const name = isCustom(field) ? field.jsonName : jsonName(field.name);
    const other = seen.get(name);
    if (other === undefined) seen.set(name, field);
    else {
      const customs = [field, other].filter(isCustom).length;
      if (minded && customs === 0) continue; // Reported when no custom name was minded.
      const isOld = features.legacyJson && customs < 2;
      const text = `"${field.name}" and "${other.name}" are both "${name}" in JSON`;
      diagnostics[isOld ? "warning" : "error"](field.position, text);
    }
  }
}

function reportBadName(field: FieldModel, diagnostics: Diagnostics): void {
  if (!hasCustomName(field)) return;
  if (/^\[.*\]$/s.test(field.jsonName))
    diagnostics.error(field.position, `in JSON, names in brackets are those of extensions; "${field.name}" is none`);
  if (field.jsonName.includes("\0")) diagnostics.error(field.position, "a name in JSON has no NUL in it");
}

function hasCustomName({ name, jsonName: given }: FieldModel): boolean {
  return given !== jsonName(name);
}

/** Reports values that are one without the enum's name before them, as many languages have them; aliases may be. */
export function reportValueClashes({ name, values, file }: EnumModel, diagnostics: Diagnostics): void {
  const seen = new Map<string, EnumValueModel>();
  for (const value of values) {
    const short = pascalCase(withoutPrefix(value.name, name));
    const other = seen.get(short);
    if (other === undefined) seen.set(short, value);
    else if (other.number !== value.number && other.name !== value.name) {
      const text = `${value.name} and ${other.name} are both ${short} without the name of the enum before them`;
      diagnostics[file.edition === "proto2" ? "warning" : "error"](value.position, text);
    }
  }
}

/** A value's name without the enum's in front, whatever the case and the underscores; as it is if nothing would be left. */
function withoutPrefix(value: string, name: string): string {
  const prefix = name.replaceAll("_", "").toLowerCase();
  let at = 0;
  for (let matched = 0; matched < prefix.length; at++) {
    if (at === value.length) return value;
    if (value[at] === "_") continue;
    if (value[at]!.toLowerCase() !== prefix[matched++]) return value;
  }
  return value.slice(at).replace(/^_+/, "") || value;
}

/** `USER_ID` -> `UserId`. */
function pascalCase(name: string): string {
  return name
    .split("_")
    .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1).toLowerCase())
    .join("");
}
