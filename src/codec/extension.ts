// Extensions: fields that another manifest adds to a message. The message does not know of them, so they are among its
// unknown fields, and an extension finds, reads and writes its own there. Needs `sluice generate --unknown-fields`.

import { type DecodeFunction, type EncodeFunction, MessageType } from "./message.js";
import { readVarint32 } from "./protobuf.js";

/** A message that keeps unknown fields. */
export interface Extendable {
  $unknown?: readonly Uint8Array[] | undefined;
}

/** What generated code says about an extension. */
export interface ExtensionSpec<T, Init> {
  /** Its full name. */
  readonly name: string;
  /** The full name of the message type that it extends. */
  readonly extendee: string;
  /** Its field number. */
  readonly number: number;
  /** Writes it, as the only field of a message. */
  readonly encode: EncodeFunction<{ value?: Init | undefined }>;
  /** Reads it, as the only field of a message. */
  readonly decode: DecodeFunction<{ value?: T }>;
}

/**
 * A field that extends messages of type `Message`; `T` is what reading gives (undefined, or an empty list, where it is not
 * set), `Init` what can be set.
 */
export class Extension<Message extends Extendable = Extendable, T = unknown, Init = T> {
  /** The full name of the message type that it extends. */
  readonly extendee: string;
  /** Its field number. */
  readonly number: number;
  private readonly holder: MessageType<{ value?: T }, { value?: Init | undefined }>;

  /** `runtime` is the version of the runtime that the functions were generated for; another one is refused here. */
  constructor(spec: ExtensionSpec<T, Init>, runtime?: number) {
    this.extendee = spec.extendee;
    this.number = spec.number;
    this.holder = new MessageType(spec.name, spec.encode, spec.decode, runtime);
  }

  /** Its full name: `pkg.my_extension`. */
  get name(): string {
    return this.holder.typeName;
  }

  /** True if the message has it. */
  has(message: Message): boolean {
    return (message.$unknown ?? []).some((field) => this.owns(field));
  }

  /** Its value in the message. Throws `DecodeError` if its bytes are bad. */
  get(message: Message): T {
    const own = (message.$unknown ?? []).filter((field) => this.owns(field));
    return this.holder.fromBytes(Buffer.concat(own)).value as T;
  }

  /** Gives the message a value for it, in place of one that it had. Throws `TypeError` if the value has the wrong type. */
  set(message: Message, value: Init): void {
    const bytes = this.holder.toBytes({ value });
    this.clear(message);
    if (bytes.length > 0) message.$unknown = [...(message.$unknown ?? []), bytes];
  }

  /** Takes it out of the message. */
  clear(message: Message): void {
    if (this.has(message)) message.$unknown = message.$unknown!.filter((field) => !this.owns(field));
  }

  private owns(field: Uint8Array): boolean {
    return readVarint32(field, 0) >>> 3 === this.number;
  }
}
