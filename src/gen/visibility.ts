// Which types a manifest lets others use: since edition 2024 `export` and `local` say so, and for types that say nothing a
// feature of the file (descriptor.proto, FeatureSet.VisibilityFeature). Before, all types can be used.

import type { EnumModel, FileModel, MessageModel } from "./model.js";

const LOCAL_ALL = 3;
const EXPORT_ALL = 1;

/** True if `from` may name this type. */
export function isVisible(declared: MessageModel | EnumModel, from: FileModel): boolean {
  const { file, visibility } = declared;
  if (file === from || !["2024", "2026"].includes(file.edition)) return true;
  if (visibility !== undefined) return visibility === "export";
  const byDefault = file.options.message("features")?.get("default_symbol_visibility");
  if (byDefault === EXPORT_ALL) return true;
  return byDefault !== LOCAL_ALL && isTopLevel(declared);
}

function isTopLevel({ fullName, name, file }: MessageModel | EnumModel): boolean {
  return fullName === (file.package === "" ? name : `${file.package}.${name}`);
}
