// proto3's JSON mapping, `sluice/json`: what the files that `sluice generate --json` writes import, and what their users
// need beside. Nothing else of the package imports it.

export * from "./codec/json/any.js";
export type {
  FromJsonOptions,
  JsonCodec,
  JsonReading,
  ToJsonOptions,
} from "./codec/json/json-codec.js";
export { JsonError } from "./codec/json/json-text.js";
export * from "./codec/json/message.js";
export * from "./codec/json/registry.js";
export * from "./codec/json/scalars.js";
export * from "./codec/json/well-known.js";
