// Long messages, and the check of one that came: its length, its id, and a byte of every 64 KiB.

import type { EchoMessage } from "../macro/peer.js";

const CHECKED_EVERY = 65_536;

const byteAt = (at: number): number => (at * 7 + (at >>> 12) * 31) & 0xff;

/** A message with `bytes` of payload and no id yet. */
export function makeBulk(bytes: number): EchoMessage {
  const payload = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at++) payload[at] = byteAt(at);
  return { id: 0n, name: "bulk", payload };
}

/** Throws if `message` is not the one with `bytes` of payload and this id. */
export function checkBulk({ id, payload }: EchoMessage, expectedId: bigint, bytes: number): void {
  if (id !== expectedId || payload.length !== bytes)
    throw new Error(`message ${expectedId} of ${bytes} bytes came as ${id}, ${payload.length} bytes`);
  for (let at = 0; at < bytes; at += CHECKED_EVERY) checkByte(payload, at);
  if (bytes > 0) checkByte(payload, bytes - 1);
}

function checkByte(payload: Uint8Array, at: number): void {
  if (payload[at] !== byteAt(at)) throw new Error(`byte ${at} is ${payload[at]}, not ${byteAt(at)}`);
}
