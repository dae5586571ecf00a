// Which behaviour a declaration has: proto2 and proto3 fix it, editions let every level override it.
// Source of the defaults: protobuf's feature settings for editions (descriptor.proto, FeatureSet).

import type { Features, OptionMessage } from "./model.js";
import type { Edition } from "./syntax.js";

const EDITION_2023: Features = {
  presence: "explicit",
  closedEnums: false,
  packed: true,
  verifyUtf8: true,
  delimited: false,
  legacyJson: false,
  namingStyle: false,
};
const EDITION_2024: Features = { ...EDITION_2023, namingStyle: true };

const DEFAULTS: Readonly<Record<Edition, Features>> = {
  proto2: {
    presence: "explicit",
    closedEnums: true,
    packed: false,
    verifyUtf8: false,
    delimited: false,
    legacyJson: true,
    namingStyle: false,
  },
  proto3: {
    presence: "implicit",
    closedEnums: false,
    packed: true,
    verifyUtf8: true,
    delimited: false,
    legacyJson: false,
    namingStyle: false,
  },
  "2023": EDITION_2023,
  "2024": EDITION_2024,
  "2026": EDITION_2024,
};

/** protobuf's numbers for editions; proto2 and proto3 are named by `syntax` instead. */
export const EDITION_NUMBERS: Readonly<Record<Edition, number | undefined>> = {
  proto2: undefined,
  proto3: undefined,
  "2023": 1000,
  "2024": 1001,
  "2026": 1002,
};

const PRESENCE = new Map<unknown, Features["presence"]>([
  [1, "explicit"],
  [2, "implicit"],
  [3, "required"],
]);

/** protobuf's number for any edition. */
export function editionNumber(edition: Edition): number {
  return EDITION_NUMBERS[edition] ?? (edition === "proto2" ? 998 : 999);
}

/** The features of a file that overrides none. */
export function defaultFeatures(edition: Edition): Features {
  return DEFAULTS[edition];
}

/** `parent` with what `options` override (enum numbers of descriptor.proto's FeatureSet; 0 means unset). */
export function overrideFeatures(parent: Features, options: OptionMessage): Features {
  const set = options.message("features");
  if (set === undefined) return parent;
  const choose = (name: string, yes: number, inherited: boolean): boolean => {
    const value = set.get(name);
    return value === undefined || value === 0 ? inherited : value === yes;
  };
  return {
    presence: PRESENCE.get(set.get("field_presence")) ?? parent.presence,
    closedEnums: choose("enum_type", 2, parent.closedEnums),
    packed: choose("repeated_field_encoding", 1, parent.packed),
    verifyUtf8: choose("utf8_validation", 2, parent.verifyUtf8),
    delimited: choose("message_encoding", 2, parent.delimited),
    legacyJson: choose("json_format", 2, parent.legacyJson),
    namingStyle: !choose("enforce_naming_style", 2, !parent.namingStyle),
  };
}
