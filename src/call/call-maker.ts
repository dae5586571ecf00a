// Makes calls for whatever carries them, a channel or one connection: what a call may say for itself becomes a deadline, a
// place in the tree of contexts and the metadata that travels; the interceptors go around all of it.

import { CallMetadataKey } from "../codec/call-metadata.js";
import { Metadata, type MetadataInit } from "../codec/metadata.js";
import { type AnyMethod, NO_POLICY } from "../codec/method.js";
import type { ClientPolicy } from "../codec/policy.js";
import { Code, localError, type RpcError } from "../codec/status.js";
import type { ClientGate } from "../flow/client-gate.js";
import { OutgoingCall } from "../transport/outgoing-call.js";
import type { TimerWheel } from "../transport/timers.js";
import type { CallOptions } from "./caller.js";
import { ClientPolicies, type PolicySettings } from "./client-policies.js";
import {
  type AnyStream,
  type ClientInterceptor,
  composeCall,
  composeStream,
  type StreamCaller,
  type UnaryCall,
} from "./interceptors.js";
import { OutgoingStream } from "./outgoing-stream.js";

/** Carries the calls that a {@link CallMaker} makes. */
export interface CallTarget {
  /** Why no call can be made any more; undefined while it can. */
  readonly closedError: RpcError | undefined;
  /** Carries `call`, or fails it. */
  submit(call: OutgoingCall, request: unknown, options: CallOptions): void;
  /** The same for a call whose request is encoded already, as `call.parked`. */
  submitParked(call: OutgoingCall, options: CallOptions): void;
}

/** What holds for calls that do not say otherwise. */
export interface CallDefaults extends PolicySettings {
  /** Milliseconds until a unary call without a deadline of its own, nor one of its method, fails. */
  readonly timeoutMs: number;
  /** The first is the outermost. */
  readonly interceptors: readonly ClientInterceptor[];
  /** Metadata keys that a call sends on from its parent. */
  readonly forwardMetadata: readonly string[];
}

/**
 * A deadline shorter than this begins when the call is made; a longer one may begin when the tick that makes it began, which
 * saves reading the clock. The two differ by what the caller has computed in between.
 */
const EXACT_BELOW_MS = 5_000;

/** The metadata keys that are sent on unless an option says otherwise: W3C's trace context and baggage. */
export const FORWARDED_METADATA: readonly string[] = Object.freeze(["traceparent", "tracestate", "baggage"]);

/** What a call without options has. */
export const NO_OPTIONS: CallOptions = Object.freeze({});

/** See the head of this file. */
export class CallMaker {
  /** Makes a unary call. */
  readonly unary: UnaryCall;
  /** Begins a streamed call. */
  readonly stream: StreamCaller;
  private readonly target: CallTarget;
  private readonly wheel: TimerWheel;
  private readonly defaults: CallDefaults;
  /** Methods with this policy, by identity, have none here; undefined once the policy of any method was set. */
  private noPolicy: ClientPolicy | undefined = NO_POLICY;
  private policies_: ClientPolicies | undefined = undefined;

  constructor(target: CallTarget, wheel: TimerWheel, defaults: CallDefaults) {
    this.target = target;
    this.wheel = wheel;
    this.defaults = defaults;
    this.unary = composeCall(defaults.interceptors, (method, request, options) => this.start(method, request, options));
    const stream = composeStream(defaults.interceptors, (method, request, options) =>
      this.startStream(method, request, options),
    );
    // An interceptor that throws fails the call, as it does a unary one: callers need not expect both.
    this.stream = (method, request, options) => {
      try {
        return stream(method, request, options);
      } catch (error) {
        return this.failedStream(method, error);
      }
    };
  }

  /** The policies of the methods that are called here. */
  get policies(): ClientPolicies {
    this.policies_ ??= new ClientPolicies(this.target, this.wheel, this.defaults, () => {
      this.noPolicy = undefined;
    });
    return this.policies_;
  }

  /** The same, if anything here has a policy. */
  get knownPolicies(): ClientPolicies | undefined {
    return this.policies_;
  }

  private start(method: AnyMethod, request: unknown, given: CallOptions): Promise<unknown> {
    const limitMs = given.timeoutMs ?? method.deadlineMs ?? this.defaults.timeoutMs;
    const refusal = this.refusalOf(method, given, limitMs);
    if (refusal !== undefined) return Promise.reject(refusal);
    const options = given.parent === undefined ? given : this.inherit(given);
    if (method.client !== this.noPolicy) {
      const gate = this.policies.gateOf(method);
      if (gate !== null) return this.startGated(gate, request, options, limitMs);
    }
    const call = this.makeCall(method, options, limitMs);
    this.target.submit(call, request, options);
    return call.promise;
  }

  private startGated(gate: ClientGate, request: unknown, options: CallOptions, limitMs: number): Promise<unknown> {
    const expiresAt = this.expiryOf(options, limitMs);
    const call = this.policies.makeCall(gate, request, options, expiresAt);
    call.start();
    return call.promise;
  }

  private startStream(method: AnyMethod, request: unknown, given: CallOptions): AnyStream {
    const limitMs = given.timeoutMs ?? method.deadlineMs ?? Number.POSITIVE_INFINITY;
    const refusal = this.refusalOf(method, given, limitMs);
    const options = refusal !== undefined ? NO_OPTIONS : given.parent === undefined ? given : this.inherit(given);
    const gate = method.client === this.noPolicy || refusal !== undefined ? null : this.policies.gateOf(method);
    if (gate !== null) return this.startGatedStream(gate, request, options, limitMs);
    const call = this.makeCall(method, options, limitMs);
    const stream = new OutgoingStream(call);
    if (refusal !== undefined) call.fail(refusal);
    else this.target.submit(call, request, options);
    return stream;
  }

  private startGatedStream(gate: ClientGate, request: unknown, options: CallOptions, limitMs: number): AnyStream {
    const call = this.policies.makeCall(gate, request, options, this.expiryOf(options, limitMs));
    const stream = new OutgoingStream(call);
    call.start();
    return stream;
  }

  private failedStream(method: AnyMethod, error: unknown): AnyStream {
    const call = this.makeCall(method, NO_OPTIONS, Number.POSITIVE_INFINITY);
    const stream = new OutgoingStream(call);
    call.fail(error as RpcError);
    return stream;
  }

  /** Why a call cannot begin. */
  private refusalOf(method: AnyMethod, { signal, parent }: CallOptions, limitMs: number): RpcError | undefined {
    const { closedError } = this.target;
    if (closedError !== undefined) return closedError;
    const { path } = method;
    if (signal?.aborted === true)
      return localError(Code.CANCELLED, `${path}: the signal was aborted before the call`, "safe", signal.reason);
    if (parent?.error !== undefined)
      return localError(parent.error.code, `${path}: ${parent.error.message}`, "safe", parent.error);
    if (!(limitMs > 0)) return expired(method, limitMs);
    return parent === undefined || parent.remainingMs > 0 ? undefined : expired(method, parent.remainingMs);
  }

  private makeCall(method: AnyMethod, options: CallOptions, limitMs: number): OutgoingCall {
    return new OutgoingCall(method, options, this.wheel, this.expiryOf(options, limitMs));
  }

  private expiryOf({ parent }: CallOptions, limitMs: number): number {
    const { clock, tick } = this.wheel;
    if (parent !== undefined) return clock.now() + Math.min(limitMs, parent.remainingMs);
    return (limitMs < EXACT_BELOW_MS ? clock.now() : tick.wholeMs()) + limitMs;
  }

  /** The options with what the parent's metadata adds. */
  private inherit(options: CallOptions): CallOptions {
    const own = options.metadata === undefined ? undefined : Metadata.from(options.metadata);
    const forwarded: [string, string | Uint8Array][] = [];
    if (options.parent?.stopsRetries === true) forwarded.push([CallMetadataKey.NO_RETRY, "1"]);
    for (const key of this.defaults.forwardMetadata) {
      if (own !== undefined && own.get(key) !== undefined) continue;
      for (const value of options.parent?.metadata.getAll(key) ?? []) forwarded.push([key, value]);
    }
    return forwarded.length === 0 ? options : { ...options, metadata: merge(own, forwarded) };
  }
}

function merge(own: Metadata | undefined, forwarded: readonly [string, string | Uint8Array][]): MetadataInit {
  const metadata = new Metadata();
  for (const [key, value] of own ?? []) metadata.append(key, value);
  for (const [key, value] of forwarded) metadata.append(key, value);
  return metadata;
}

function expired({ path }: AnyMethod, timeoutMs: number): RpcError {
  if (timeoutMs <= 0) {
    const text = `${path}: the deadline had passed before the call (${timeoutMs} ms)`;
    return localError(Code.DEADLINE_EXCEEDED, text, "safe");
  }
  return localError(Code.INVALID_ARGUMENT, `${path}: timeoutMs is not a number: ${String(timeoutMs)}`, "never");
}
