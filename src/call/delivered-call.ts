// A call that a durable queue delivers. Its policy has done its work when the call was stored: it waits for room however
// long the line is, and it ends with what its one attempt ends with, so that the queue decides what comes next.

import { attemptMetadata, attemptsBefore } from "../codec/call-metadata.js";
import type { Metadata } from "../codec/metadata.js";
import type { AnyMethod } from "../codec/method.js";
import type { ClientGate } from "../flow/client-gate.js";
import type { Delivery } from "../flow/queue/durable-queue.js";
import { parkMessage } from "../transport/outgoing-calls.js";
import type { CallSite } from "./client-policies.js";
import { GatedCall } from "./gated-call.js";

/** See the head of this file. */
export class DeliveredCall extends GatedCall {
  constructor(gate: ClientGate, site: CallSite, method: AnyMethod, delivery: Delivery, expiresAt: number) {
    super(gate, site, undefined, { metadata: deliveryMetadata(delivery) }, expiresAt, method);
    this.parked = parkMessage(this, asBuffer(delivery.payload));
  }

  override start(): void {
    const verdict = this.gate.admit(true);
    if (verdict === undefined) this.begin();
    else if (verdict === "wait") this.wait();
    else this.rejectAs(verdict, this.gate.rejection(verdict));
  }

  protected override get mayDrop(): boolean {
    return false;
  }

  protected override keepRequest(): void {}
}

/** What is sent with a delivery: what the caller gave, and what makes the call known (PROTOCOL.md section 7). */
export function deliveryMetadata({ callId, attempt, metadata: stored }: Delivery): Metadata {
  return attemptMetadata(stored, callId, attemptsBefore(stored) + attempt);
}

/** The same bytes. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
