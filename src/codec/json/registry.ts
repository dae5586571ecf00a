// The message types that may be met where no manifest says which: inside google.protobuf.Any. Whoever reads or writes such
// JSON lists them; the well-known types need no listing.

import type { JsonType } from "./message.js";

/** A message type of any kind. */
export type AnyJsonType = JsonType<unknown, never>;

/** Message types by name. */
export class JsonRegistry {
  private readonly types: ReadonlyMap<string, AnyJsonType>;

  constructor(types: readonly AnyJsonType[]) {
    this.types = new Map(types.map((type) => [type.type.typeName, type]));
  }

  /** The type of this full name, such as `push.v1.BindRequest`. */
  type(name: string): AnyJsonType | undefined {
    return this.types.get(name);
  }
}
