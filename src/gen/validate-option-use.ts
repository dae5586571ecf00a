// What the declaration of an option says about its use: `targets`, what it may be set on (and within an option's value
// what the field may be used for), and `feature_support`, the editions that have it. As protoc does, it looks at the
// manifests of a run and not at what they import.

import { editionNumber } from "./features.js";
import { type EnumValueModel, type FieldModel, type FileModel, OptionMessage, type OptionResult } from "./model.js";
import { type OptionTarget, optionHolders, TARGETS } from "./option-holders.js";
import type { Diagnostics, Position } from "./source.js";

/** Reports options that are set on what, or in an edition in which, their declaration does not let them. */
export function reportOptionUse(file: FileModel, diagnostics: Diagnostics): void {
  for (const [target, { options, position }] of optionHolders(file))
    new UseCheck(file, target, diagnostics).message(options, position);
}

class UseCheck {
  private readonly target: OptionTarget;
  private readonly edition: FileModel["edition"];
  private readonly diagnostics: Diagnostics;

  constructor({ edition }: FileModel, target: OptionTarget, diagnostics: Diagnostics) {
    this.edition = edition;
    this.target = target;
    this.diagnostics = diagnostics;
  }

  /** `around` is where what holds the options stands, for those whose own place is not known. */
  message({ values, fields, positions }: OptionMessage, around: Position): void {
    for (const [key, value] of values) {
      const position = positions.get(key) ?? around;
      const field = fields.get(key)!;
      this.targets(field, position);
      this.support(field, position);
      for (const item of Array.isArray(value) ? value : [value]) this.value(item, field, position);
    }
  }

  private value(value: OptionResult, { cardinality, type }: FieldModel, position: Position): void {
    const held = cardinality === "map" && value instanceof OptionMessage ? value.get("value") : value;
    if (held instanceof OptionMessage) this.message(held, position);
    const named = type.kind === "enum" ? type.enum.values.find(({ number }) => number === held) : undefined;
    if (named !== undefined) this.support(named, position);
  }

  private targets(field: FieldModel, position: Position): void {
    const targets = field.options.get("targets");
    if (!Array.isArray(targets) || targets.includes(TARGETS.indexOf(this.target))) return;
    const allowed = targets.map((number) => TARGETS[Number(number)] ?? number).join(", ");
    this.diagnostics.error(
      position,
      `option "${field.fullName}" is not for this ${this.target}; its targets: ${allowed}`,
    );
  }

  private support({ fullName, options }: FieldModel | EnumValueModel, position: Position): void {
    const support = options.message("feature_support");
    if (support === undefined) return;
    const edition = editionNumber(this.edition);
    const since = Number(support.get("edition_introduced") ?? 0);
    const until = Number(support.get("edition_removed") ?? Number.POSITIVE_INFINITY);
    const deprecated = Number(support.get("edition_deprecated") ?? Number.POSITIVE_INFINITY);
    const what = `"${fullName}"`;
    if (edition < since) this.diagnostics.error(position, `${what} came with a later edition than ${this.edition}`);
    else if (edition >= until)
      this.diagnostics.error(position, `${what} is gone since ${this.edition}: ${support.get("removal_error") ?? ""}`);
    else if (edition >= deprecated)
      this.diagnostics.warning(position, `${what} is deprecated: ${support.get("deprecation_warning") ?? ""}`);
  }
}
