// The naming style that edition 2024 enforces where features.enforce_naming_style does not say otherwise: TitleCase,
// lower_snake_case and UPPER_SNAKE_CASE, in which an underscore is followed by a letter.

import { allEnums, allExtensions, allMessages, type Element, type FileModel } from "./model.js";
import type { Diagnostics } from "./source.js";

const STYLES = {
  "lower_snake_case, its parts separated by dots": /^[a-z]([a-z0-9.]|_[a-z])*$/,
  lower_snake_case: /^[a-z]([a-z0-9]|_[a-z])*$/,
  UPPER_SNAKE_CASE: /^[A-Z]([A-Z0-9]|_[A-Z])*$/,
  TitleCase: /^[A-Z][A-Za-z0-9]*$/,
} as const;
type Style = keyof typeof STYLES;

/** Reports names that are not in the style that their edition wants. */
export function reportStyle(file: FileModel, diagnostics: Diagnostics): void {
  const check = (style: Style, elements: readonly Pick<Element, "name" | "features" | "position">[]): void => {
    for (const { name, features, position } of elements) {
      if (!features.namingStyle || STYLES[style].test(name)) continue;
      const remedy = "features.enforce_naming_style = STYLE_LEGACY lets it pass";
      diagnostics.error(position, `edition ${file.edition} wants "${name}" to be ${style}; ${remedy}`);
    }
  };
  const messages = allMessages(file);
  const enums = allEnums(file);
  if (file.package !== "") check("lower_snake_case, its parts separated by dots", [{ ...file, name: file.package }]);
  check("TitleCase", [...messages, ...enums, ...file.services, ...file.services.flatMap(({ methods }) => methods)]);
  check("lower_snake_case", [...messages.flatMap(({ fields }) => fields), ...allExtensions(file)]);
  check(
    "lower_snake_case",
    messages.flatMap(({ oneofs }) => oneofs),
  );
  check(
    "UPPER_SNAKE_CASE",
    enums.flatMap(({ values }) => values),
  );
}
