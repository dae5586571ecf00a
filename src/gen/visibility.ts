// Which types a manifest lets others use: since edition 2024 `export` and `local` say so, and for types that say nothing a
// feature of the file (descriptor.proto, FeatureSet.VisibilityFeature). Before, all types can be used.

import type { EnumModel, FileModel, MessageModel } from "./model.js";
import { MAX_FIELD_NUMBER } from "./parser.js";

const LOCAL_ALL = 3;
const STRICT = 4;
const EXPORT_ALL = 1;

/** True if `from` may name this type. */
export function isVisible(declared: MessageModel | EnumModel, from: FileModel): boolean {
  const { file, visibility } = declared;
  if (file === from || !["2024", "2026"].includes(file.edition)) return true;
  if (visibility !== undefined) return visibility === "export";
  const byDefault = defaultVisibility(file);
  if (byDefault === EXPORT_ALL) return true;
  return byDefault !== LOCAL_ALL && isTopLevel(declared);
}

/** What is nested in a message and exported though its manifest's default, STRICT, allows that only to enums in namespaces. */
export function exportedInVain(holder: MessageModel): (MessageModel | EnumModel)[] {
  if (defaultVisibility(holder.file) !== STRICT) return [];
  const nested = [...holder.messages, ...(isNamespace(holder) ? [] : holder.enums)];
  return nested.filter(({ visibility }) => visibility === "export");
}

/** A message that can have no fields. */
function isNamespace(message: MessageModel): boolean {
  const { reservedRanges } = message;
  return isTopLevel(message) && reservedRanges.some(({ first, last }) => first === 1 && last === MAX_FIELD_NUMBER);
}

function defaultVisibility(file: FileModel): unknown {
  return file.options.message("features")?.get("default_symbol_visibility");
}

function isTopLevel({ fullName, name, file }: MessageModel | EnumModel): boolean {
  return fullName === (file.package === "" ? name : `${file.package}.${name}`);
}
