// The metadata that says of a request that it belongs to a call that may come more than once (PROTOCOL.md section 7). Its
// keys are reserved: callers cannot set them for a call under such a policy. What a peer has sent is not to be trusted.

import { Metadata, type MetadataInit } from "./metadata.js";

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

/** What is sent with an attempt: the caller's metadata, and what makes the request known as one of several. */
export function attemptMetadata(own: MetadataInit | undefined, callId: string, attempt: number): Metadata {
  const metadata = copyOf(own);
  metadata.set(CallMetadataKey.CALL_ID, callId);
  if (attempt > 1) metadata.set(CallMetadataKey.ATTEMPT, String(attempt));
  else metadata.delete(CallMetadataKey.ATTEMPT);
  return metadata;
}

/** What is kept with a call that is stored after some attempts; undefined for nothing. */
export function storedMetadata(own: MetadataInit | undefined, attemptsMade: number): Metadata | undefined {
  if (own === undefined && attemptsMade === 0) return undefined;
  const metadata = copyOf(own);
  if (attemptsMade > 0) metadata.set(CallMetadataKey.ATTEMPT, String(attemptsMade));
  else metadata.delete(CallMetadataKey.ATTEMPT);
  return metadata;
}

/** The attempts that were made of a call before it was stored with `metadata`. */
export function attemptsBefore(metadata: Metadata | undefined): number {
  return metadata?.get(CallMetadataKey.ATTEMPT) === undefined ? 0 : attemptOf(metadata);
}

function copyOf(own: MetadataInit | undefined): Metadata {
  const metadata = new Metadata();
  if (own !== undefined) for (const [key, value] of Metadata.from(own)) metadata.append(key, value);
  return metadata;
}

/** True if calls that are made while the request is served must not be retried. */
export function stopsRetries(metadata: Metadata | undefined): boolean {
  return attemptOf(metadata) > 1 || metadata?.get(CallMetadataKey.NO_RETRY) !== undefined;
}
