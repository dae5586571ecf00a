// Everything that the generated code of messages imports: a file without services needs nothing else of the package.
// It gathers and owns nothing. `sluice generate --runtime` can point generated code here instead of at the package.

export type { ClosedEnum, OpenEnum } from "./enums.js";
export { Extension } from "./extension.js";
export { DecodeError, MAX_MESSAGE_DEPTH, MessageType, RUNTIME_VERSION } from "./message.js";
export * from "./protobuf.js";
export { Writer } from "./writer.js";
