// A call whose method has a policy: it asks its gate for room, waits there if it has to, and tells the gate when it ends.
// This one is made at most once; `repeated-call.ts` has those that may take several attempts.
//
// Invariants: it moves exactly one of its gate's counters when it ends; it holds room at the gate from `begin` to `leave`,
// and no longer while it is being stored.

import { storedMetadata } from "../codec/call-metadata.js";
import type { AnyMethod } from "../codec/method.js";
import { Code, localError, RpcError } from "../codec/status.js";
import type { ClientGate, Waiter } from "../flow/client-gate.js";
import { cut } from "../flow/log-lines.js";
import type { Rejection } from "../flow/method-counters.js";
import { type CallHolder, OutgoingCall } from "../transport/outgoing-call.js";
import { encodeMessage, parkRequest } from "../transport/outgoing-calls.js";
import type { CallOptions } from "./caller.js";
import type { CallSite } from "./client-policies.js";

/** A call whose deadline is over has this long to be stored, in milliseconds: storing is what its policy asks for then. */
export const STORE_GRACE_MS = 1_000;

const NOTHING = Buffer.alloc(0);

/** Holds a call that is being stored. */
const storing: CallHolder = { release: (call) => call.disarm() };

/** See the head of this file. */
export class GatedCall extends OutgoingCall implements Waiter {
  declare readonly options: CallOptions;
  protected readonly gate: ClientGate;
  protected readonly site: CallSite;
  waitingSince = 0;
  protected request: unknown;
  /** When it was let in, if it is measured; else -1. */
  protected startTime = -1;
  /** True while it holds room at the gate. */
  protected isIn = false;
  /** True once an attempt may have run: no error may say that it is safe to make the call again. */
  protected mayHaveRun = false;
  private id_: string | undefined = undefined;

  constructor(
    gate: ClientGate,
    site: CallSite,
    request: unknown,
    options: CallOptions,
    expiresAt: number,
    method: AnyMethod = gate.method,
  ) {
    super(method, options, site.wheel, expiresAt);
    this.gate = gate;
    this.site = site;
    this.request = request;
  }

  /** Makes the call if there is room, else does with it what the policy says. */
  start(): void {
    if (this.gate.limits.storeAlways && this.stream === undefined) {
      this.store();
      return;
    }
    const verdict = this.gate.admit();
    if (verdict === undefined) this.begin();
    else if (verdict === "wait") this.wait();
    else this.overflow(verdict);
  }

  get waitingBytes(): number {
    return this.parked?.payload.length ?? 0;
  }

  begin(): void {
    this.isIn = true;
    this.startTime = this.gate.startTime;
    const { closedError } = this.site.target;
    if (closedError === undefined) this.submit();
    else this.fail(closedError);
  }

  override succeed(response: unknown): void {
    if (this.isSettled) return;
    this.gate.counters.succeeded++;
    super.succeed(response);
    this.leave(undefined);
  }

  override fail(error: RpcError): void {
    if (this.isSettled) return;
    if (this.isIn && this.mayDrop && isDroppable(error)) this.drop(error);
    else {
      this.gate.counters.fail(error.code);
      super.fail(this.honest(error));
    }
    this.leave(error);
  }

  /** What travels as `sluice-call-id`, where it does. */
  protected get callId(): string {
    this.id_ ??= this.site.nextCallId();
    return this.id_;
  }

  /** Attempts that were made. */
  protected get attemptsMade(): number {
    return 0;
  }

  /** Whether `failure: LOG` is for this call. */
  protected get mayDrop(): boolean {
    return this.gate.limits.failure === "log" && this.stream === undefined;
  }

  /** Hands the call to a connection. */
  protected submit(): void {
    const { request } = this;
    this.request = undefined;
    if (this.parked === undefined) this.site.target.submit(this, request, this.options);
    else this.site.target.submitParked(this, this.options);
  }

  /** Encodes the request: a caller that changes it while the call waits changes nothing. Throws `RpcError`. */
  protected keepRequest(): void {
    this.parked = parkRequest(this, this.request);
    this.request = undefined;
  }

  /** The request as bytes, of a call that has not been let in. Throws `RpcError`. */
  protected encoded(): Buffer {
    return encodeMessage(this, this.request);
  }

  /** Waits until there is room. */
  protected wait(): void {
    try {
      this.keepRequest();
    } catch (error) {
      this.fail(error as RpcError);
      return;
    }
    if (!this.gate.wait(this)) this.rejectAs("queue", this.gate.rejection("queue"));
  }

  /** There is no room. */
  protected overflow(reason: Rejection): void {
    const error = this.gate.rejection(reason);
    const { overflow } = this.gate.limits;
    if (overflow === "log" && this.stream === undefined) this.drop(error);
    else if (overflow === "queue" && this.stream === undefined) this.store();
    else this.rejectAs(reason, error);
  }

  /** Gives the call to its method's durable queue; it succeeds once it is stored. */
  protected store(): void {
    const { path } = this.method;
    const { queueName, queueKey } = this.gate.limits;
    try {
      const payload = this.encoded();
      const queue = this.site.queueOf(this.method, queueName);
      const metadata = storedMetadata(this.options.metadata, this.attemptsMade);
      const key =
        queueKey === undefined ? undefined : keyOf(this.method.input.decode(payload, 0, payload.length, 0), queueKey);
      this.holder = storing;
      this.site.storing.add(this);
      const { wheel } = this.site;
      wheel.add(this, Math.max(this.expiresAt, wheel.clock.now() + STORE_GRACE_MS));
      queue.put({ callId: this.callId, path, key, metadata, payload }).then(
        () => this.onStored(),
        (error: RpcError) => this.onNotStored(error),
      );
    } catch (error) {
      this.fail(error as RpcError);
    }
  }

  /** Ends the call as if it had run, and tells the log why it did not. */
  protected drop(reason: RpcError): void {
    this.gate.counters.logged++;
    const suppressed = this.site.logger === undefined ? undefined : this.gate.lines.pass();
    if (suppressed !== undefined)
      this.site.logger?.warn({ path: this.method.path, reason: cut(reason.message), suppressed }, "call dropped");
    super.succeed(this.emptyReply());
  }

  protected override whileWaiting(): string {
    if (this.holder === storing) return "while it was being stored";
    if (this.holder !== this.gate) return super.whileWaiting();
    const { obstacle } = this.gate;
    return `while it waited for room${obstacle === undefined ? "" : ` (${obstacle})`}`;
  }

  /** Gives its room at the gate back, if it has some. */
  protected leave(error: RpcError | undefined): void {
    if (!this.isIn) return;
    this.isIn = false;
    this.gate.observe(error);
    this.gate.leave(this.startTime);
  }

  /** Ends the call, which was not let in. */
  protected rejectAs(reason: Rejection, error: RpcError): void {
    this.gate.counters.reject(reason);
    super.fail(error);
  }

  /** `error`, without the claim that the call did not run if that is not sure. */
  private honest(error: RpcError): RpcError {
    // What is on its way to the disk may be delivered.
    if (error.retry !== "safe" || !(this.mayHaveRun || this.holder === storing)) return error;
    const { code, message, details, origin, retryAfterMs, cause } = error;
    return new RpcError(code, message, { details, origin, retryAfterMs, cause, retry: "unsafe" });
  }

  private onStored(): void {
    this.site.storing.delete(this);
    if (this.isSettled) return;
    this.gate.counters.queued++;
    super.succeed(this.emptyReply());
  }

  private onNotStored(error: RpcError): void {
    this.site.storing.delete(this);
    if (this.isSettled) return;
    this.disarm();
    this.holder = undefined;
    const { code, message, retryAfterMs } = error;
    const options = { origin: "local", retry: error.retry, retryAfterMs, cause: error } as const;
    this.rejectAs("store", this.honest(new RpcError(code, `${this.method.path}: ${message}`, options)));
  }

  private emptyReply(): unknown {
    return this.method.output.decode(NOTHING, 0, 0, 0);
  }
}

/** False for what the caller has to hear whatever the policy: it gave the call up, or the request cannot travel. */
function isDroppable({ origin, code, retry }: RpcError): boolean {
  return origin !== "local" || (code !== Code.CANCELLED && retry !== "never");
}

/** The value of the request's field with this name in the manifest, as text. */
function keyOf(request: unknown, field: string): string {
  const localName = field.replace(/_+([a-zA-Z0-9])/g, (_, letter: string) => letter.toUpperCase());
  const value = (request as Record<string, unknown>)[localName];
  return value instanceof Uint8Array ? Buffer.from(value).toString("base64") : String(value ?? "");
}

/** The error of a call that needs a durable queue where there is none. */
export function noQueues(path: string, queueName: string | undefined): RpcError {
  const text = `${path}: its policy says QUEUE (${queueName}), but there are no durable queues here: pass a store to the channel, connect(address, { queues })`;
  return localError(Code.FAILED_PRECONDITION, text, "safe");
}
