// `sluice/details`: what an error can tell beside its code and text, as typed messages. The types are Google's standard ones
// (google/rpc/error_details.proto), which clients in other languages know; any other message type will do as well.

import { DecodeError, type MessageType } from "../codec/message.js";
import { type ErrorDetail, RpcError } from "../codec/status.js";
import { packAny, unpackAny } from "../codec/well-known/any-of.js";

export * from "./gen/google/rpc/error_details.js";
export * from "./gen/google/rpc/status.js";

/**
 * A typed detail for an {@link RpcError}:
 *
 *     throw new RpcError(Code.INVALID_ARGUMENT, "bad name", {
 *       details: [detail(BadRequest, { fieldViolations: [{ field: "name", description: "is empty" }] })],
 *     });
 *
 * Throws `TypeError` if a field of the message has the wrong type.
 */
export function detail<T, Init>(type: MessageType<T, Init>, message: Init): ErrorDetail {
  return packAny(type, message);
}

/**
 * The first detail of this type that `error` carries; undefined if there is none, or if `error` is no {@link RpcError}, so
 * that a `catch` needs no check of its own. Types are told by what is behind the last slash of the URL. A detail whose
 * bytes do not decode counts as absent: what the peer sent must not replace the error that is being handled.
 */
export function findDetail<T>(error: unknown, type: MessageType<T, never>): T | undefined {
  if (!(error instanceof RpcError)) return undefined;
  for (const each of error.details) {
    const message = tryUnpack(each, type);
    if (message !== undefined) return message;
  }
  return undefined;
}

function tryUnpack<T>(each: ErrorDetail, type: MessageType<T, never>): T | undefined {
  try {
    return unpackAny(each, type);
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}
