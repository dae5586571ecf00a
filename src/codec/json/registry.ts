// What may be met in JSON where no manifest says it: message types inside google.protobuf.Any, and extensions. Whoever reads or
// writes such JSON lists them; the well-known types need no listing.

import type { Extendable, Extension } from "../extension.js";
import type { JsonField, JsonType } from "./message.js";

/** A message type of any kind. */
export type AnyJsonType = JsonType<unknown, never>;

/** An extension and its JSON: the key `[pkg.my_extension]` of the message that it extends. */
export class JsonExtension {
  /** The extension. */
  readonly extension: Extension<Extendable, unknown, never>;
  private readonly declare: () => JsonField;

  /** `field` is called when the extension is met first; it is a field of a message whose only property is `value`. */
  constructor(extension: Extension<Extendable, unknown, never>, field: () => JsonField) {
    this.extension = extension;
    this.declare = field;
  }

  /** How it looks. */
  get field(): JsonField {
    return this.declare();
  }
}

/** Message types and extensions by name. */
export class JsonRegistry {
  private readonly types: ReadonlyMap<string, AnyJsonType>;
  private readonly extensions = new Map<string, JsonExtension[]>();

  constructor(types: readonly AnyJsonType[], extensions: readonly JsonExtension[] = []) {
    this.types = new Map(types.map((type) => [type.type.typeName, type]));
    for (const extension of extensions) {
      const { extendee } = extension.extension;
      this.extensions.set(extendee, [...this.extensionsOf(extendee), extension]);
    }
  }

  /** The type of this full name, such as `push.v1.BindRequest`. */
  type(name: string): AnyJsonType | undefined {
    return this.types.get(name);
  }

  /** The extensions of the message type of this full name. */
  extensionsOf(name: string): readonly JsonExtension[] {
    return this.extensions.get(name) ?? [];
  }
}
