// The messages that every system is given, made beforehand, and the check of what comes back.

import type { EchoMessage } from "./peer.js";

/** Beyond what a double holds exactly, so that a system that loses digits is caught. */
const FIRST_ID = 2n ** 53n + 1n;
const MIN_MESSAGES = 4096;
/** Messages share this many payloads, each with content of its own. */
const PAYLOADS = 64;
/** One reply in this many is compared byte for byte; all are compared in id, name, length and three bytes. */
const FULLY_COMPARED = 256;

/** More messages than calls in flight, so that no two of those have the same id; a power of two. */
export function makeMessages(payloadBytes: number, outstanding: number): EchoMessage[] {
  const count = Math.max(MIN_MESSAGES, 2 ** Math.ceil(Math.log2(outstanding * 4)));
  const payloads = Array.from({ length: PAYLOADS }, (_, n) => makePayload(payloadBytes, n));
  return Array.from({ length: count }, (_, n) => ({
    id: FIRST_ID + BigInt(n),
    name: `user-${String(n % 10_000).padStart(4, "0")}`,
    payload: payloads[n % PAYLOADS]!,
  }));
}

function makePayload(bytes: number, seed: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, at) => (seed * 37 + at * 11) & 0xff);
}

/** Whether `got` is `sent`; `turn` numbers the comparison. */
export function isEcho(sent: EchoMessage, got: EchoMessage, turn: number): boolean {
  const a = sent.payload;
  const b = got.payload;
  const last = a.length - 1;
  const middle = last >> 1;
  return (
    got.id === sent.id &&
    got.name === sent.name &&
    b.length === a.length &&
    b[0] === a[0] &&
    b[middle] === a[middle] &&
    b[last] === a[last] &&
    (turn % FULLY_COMPARED !== 0 || last < 0 || Buffer.compare(a, b) === 0)
  );
}
