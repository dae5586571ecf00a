// gRPC's interop server: what the methods of TestService do there, done here.

import { codeFrom } from "../../src/codec/status.js";
import { type CallContext, type Clock, Code, RpcError } from "../../src/index.js";
import type {
  BoolValue,
  EchoStatus,
  StreamingOutputCallRequest,
  StreamingOutputCallResponseInit,
} from "./gen/grpc/testing/messages.js";
import type { Handlers } from "./stage.js";
import type { WireTap } from "./wire-tap.js";

/** Request metadata that comes back ahead of the response. */
export const ECHO_INITIAL = "x-grpc-test-echo-initial";
/** Request metadata that comes back behind the response. */
export const ECHO_TRAILING = "x-grpc-test-echo-trailing-bin";

/** The handlers; pauses are on `clock`, and `tap` tells whether a request came compressed. */
export function implementation(clock: Clock, tap: WireTap): Handlers {
  async function* responsesTo(
    { responseParameters, responseStatus }: StreamingOutputCallRequest,
    ctx: CallContext,
  ): AsyncGenerator<StreamingOutputCallResponseInit> {
    endAsAsked(responseStatus);
    for (const { size, intervalUs, compressed } of responseParameters) {
      if (intervalUs > 0) await pause(clock, intervalUs / 1_000, ctx.signal);
      ctx.compress = compressed?.value;
      yield { payload: { body: new Uint8Array(size) } };
    }
  }

  return {
    emptyCall: () => ({}),
    unaryCall({ expectCompressed, responseStatus, responseCompressed, responseSize }, ctx) {
      echoMetadata(ctx);
      checkCompression(expectCompressed, tap);
      endAsAsked(responseStatus);
      ctx.compress = responseCompressed?.value;
      return { payload: { body: new Uint8Array(responseSize) } };
    },
    async *streamingOutputCall(request, ctx) {
      echoMetadata(ctx);
      yield* responsesTo(request, ctx);
    },
    async streamingInputCall(requests, ctx) {
      echoMetadata(ctx);
      let aggregatedPayloadSize = 0;
      for await (const { payload, expectCompressed } of requests) {
        checkCompression(expectCompressed, tap);
        aggregatedPayloadSize += payload?.body.length ?? 0;
      }
      return { aggregatedPayloadSize };
    },
    async *fullDuplexCall(requests, ctx) {
      echoMetadata(ctx);
      for await (const request of requests) yield* responsesTo(request, ctx);
    },
    async *halfDuplexCall(requests, ctx) {
      const all: StreamingOutputCallRequest[] = [];
      for await (const request of requests) all.push(request);
      for (const request of all) yield* responsesTo(request, ctx);
    },
  };
}

/** Resolves after `ms` of `clock`'s time; rejects with the reason of `signal` when that is aborted. */
export function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      clock.clearTimer(timer);
      reject(signal.reason);
    };
    const timer = clock.setTimer(
      () => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      },
      ms,
      true,
    );
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}

function echoMetadata({ metadata, headers, trailers }: CallContext): void {
  for (const value of metadata.getAll(ECHO_INITIAL)) headers.append(ECHO_INITIAL, value);
  for (const value of metadata.getAll(ECHO_TRAILING)) trailers.append(ECHO_TRAILING, value);
}

function endAsAsked(status: EchoStatus | undefined): void {
  if (status !== undefined && status.code !== Code.OK) throw new RpcError(codeFrom(status.code), status.message);
}

function checkCompression(expected: BoolValue | undefined, tap: WireTap): void {
  const arrived = tap.takeRequest();
  if (expected === undefined || expected.value === arrived?.isCompressed) return;
  const text = expected.value ? "the request is not compressed" : "the request is compressed";
  throw new RpcError(Code.INVALID_ARGUMENT, text);
}
