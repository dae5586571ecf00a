// The metadata that says of a request that it belongs to a call that may come more than once (PROTOCOL.md section 7). Its
// keys are reserved: callers cannot set them for a call under such a policy. What a peer has sent is not to be trusted.

import type { Metadata } from "./metadata.js";

/** The reserved keys. */
export const CallMetadataKey = {
  /** The same for every attempt of a call. */
  CALL_ID: "sluice-call-id",
  /** Which attempt it is, from 2 on. */
  ATTEMPT: "sluice-attempt",
  /** The call was made while a repeated one was served: its callee does not retry the calls that it makes for it. */
  NO_RETRY: "sluice-no-retry",
} as const;

/** A longer call id is taken for none. */
export const MAX_CALL_ID_CHARACTERS = 128;

/** Which attempt a request is; 1 where it does not say, or not in the right form. */
export function attemptOf(metadata: Metadata | undefined): number {
  const text = metadata?.get(CallMetadataKey.ATTEMPT);
  return typeof text === "string" && /^[1-9]\d{0,8}$/.test(text) ? Number(text) : 1;
}

/** The id of a call that may come more than once; undefined for any other. */
export function callIdOf(metadata: Metadata | undefined): string | undefined {
  const id = metadata?.get(CallMetadataKey.CALL_ID);
  return typeof id === "string" && id !== "" && id.length <= MAX_CALL_ID_CHARACTERS ? id : undefined;
}

/** True if calls that are made while the request is served must not be retried. */
export function stopsRetries(metadata: Metadata | undefined): boolean {
  return attemptOf(metadata) > 1 || metadata?.get(CallMetadataKey.NO_RETRY) !== undefined;
}
