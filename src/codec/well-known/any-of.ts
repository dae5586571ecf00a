// google.protobuf.Any: a message of a type that the manifest does not name. Packing writes the type's name beside the
// bytes; unpacking is for a type that the caller expects.

import type { MessageType } from "../message.js";
import type { Any } from "./any.js";

const TYPE_URL_PREFIX = "type.googleapis.com/";

/** A message with its type's name. */
export function packAny<T, Init>(type: MessageType<T, Init>, message: Init): Any {
  return { typeUrl: TYPE_URL_PREFIX + type.typeName, value: type.toBytes(message) };
}

/** The message, if it is of this type; otherwise undefined. Throws `DecodeError` if its bytes are bad. */
export function unpackAny<T, Init>(any: Any, type: MessageType<T, Init>): T | undefined {
  const name = any.typeUrl.slice(any.typeUrl.lastIndexOf("/") + 1);
  return name === type.typeName ? type.fromBytes(any.value) : undefined;
}
