// The service that crowds go to: methods of every priority, one-way and with a stream of requests, whose policies are
// narrow and change while calls wait. Its messages are those of the work service, so that the wire tells which calls left.
// A jam stands for a dependency that stalls: the handlers of a method wait until it is over, or until they are cancelled.

import { Method, Service } from "../../src/codec/method.js";
import type { CallContext } from "../../src/index.js";
import type { Host } from "./host.js";
import {
  handle,
  type Ledger,
  replyTo,
  sum,
  type WorkMethod,
  type WorkReply,
  WorkReplyType,
  type WorkRequest,
  WorkRequestType,
} from "./work.js";

/** The methods: of high, normal and low priority, one-way, and with a stream of requests. */
export const MILL_METHODS = ["urgent", "plain", "slack", "drop", "pour"] as const;
/** One of the methods. */
export type MillMethod = (typeof MILL_METHODS)[number];

/** Messages in the stream of a call of `pour`. */
export const POURED = 3;
/** The nonce of the messages of a stream after its first. */
const NO_NONCE = 0xffff_ffff;

const service = "sim.v1.Mill";
const types = { input: WorkRequestType, output: WorkReplyType };

/** Their descriptors. `plain` may run twice, so that it may be retried. */
export const millMethods: Readonly<Record<MillMethod, WorkMethod>> = {
  urgent: new Method(service, { ...types, name: "Urgent", localName: "urgent", priority: "high" }),
  plain: new Method(service, { ...types, name: "Plain", localName: "plain", idempotency: "idempotent" }),
  slack: new Method(service, { ...types, name: "Slack", localName: "slack", priority: "low" }),
  drop: new Method(service, { ...types, name: "Drop", localName: "drop", oneWay: true }),
  pour: new Method(service, { ...types, name: "Pour", localName: "pour", kind: "client-streaming" }),
};

type Requests = AsyncIterableIterator<WorkRequest, undefined, undefined>;
type Serve = (request: WorkRequest, context: CallContext) => WorkReply | Promise<WorkReply>;

/** What a server does for callers. */
export interface MillHandlers {
  readonly urgent: Serve;
  readonly plain: Serve;
  readonly slack: Serve;
  readonly drop: Serve;
  pour(requests: Requests, context: CallContext): Promise<WorkReply>;
}

/** The service. */
export const Mill: Service<MillHandlers> = new Service(service, { ...millMethods });

/** True if a call is one of this service's. */
export function isMillMethod(method: string): method is MillMethod {
  return MILL_METHODS.includes(method as MillMethod);
}

/** The jams of one server. */
export class Jams {
  private readonly ends = new Map<MillMethod, Promise<void>>();

  /** Handlers of `method` wait until `ended` resolves. */
  set(method: MillMethod, ended: Promise<void>): void {
    this.ends.set(method, ended);
    void ended.then(() => {
      if (this.ends.get(method) === ended) this.ends.delete(method);
    });
  }

  /** What handlers of `method` wait for now. */
  of(method: MillMethod): Promise<void> | undefined {
    return this.ends.get(method);
  }
}

/** The handlers of one server process. */
export function millHandlers(host: Host, ledger: Ledger, jams: Jams): MillHandlers {
  const serve =
    (method: MillMethod): Serve =>
    (request, context) => {
      const { nonce } = request;
      ledger.begin(nonce);
      const jam = jams.of(method);
      const reply = jam === undefined ? handle(request, host, context) : grindLater(jam, request, host, context);
      if (reply instanceof Promise) ledger.track(nonce, reply);
      return reply;
    };
  const pour: MillHandlers["pour"] = (requests, context) => {
    const reply = pourAll(requests, jams.of("pour"), host, context, ledger);
    return reply;
  };
  return { urgent: serve("urgent"), plain: serve("plain"), slack: serve("slack"), drop: serve("drop"), pour };
}

/** The messages that a call of `pour` sends. */
export function pouredBy(request: WorkRequest): WorkRequest[] {
  return Array.from({ length: POURED }, (_, index) => (index === 0 ? request : { ...request, nonce: NO_NONCE }));
}

/** The reply to a call of `pour`, as it would be to its first message alone; undefined if it is not from all messages. */
export function unpour({ payload }: WorkRequest, reply: WorkReply): WorkReply | undefined {
  const one = sum(payload);
  return reply.requestSum === pouredSum(new Array<number>(POURED).fill(one))
    ? { ...reply, requestSum: one }
    : undefined;
}

function pouredSum(sums: readonly number[]): number {
  return sums.reduce((total, one) => (Math.imul(total, 31) + one) | 0, sums.length);
}

async function pourAll(
  requests: Requests,
  jam: Promise<void> | undefined,
  host: Host,
  context: CallContext,
  ledger: Ledger,
): Promise<WorkReply> {
  const first = await requests.next();
  if (first.done === true) throw new Error("a stream without its first message");
  const { value: request } = first;
  ledger.begin(request.nonce);
  const reply = (async () => {
    const sums = [sum(request.payload)];
    for await (const { payload } of requests) sums.push(sum(payload));
    if (jam !== undefined) await orAborted(jam, context.signal);
    await handle(request, host, context);
    return { ...replyTo(request), requestSum: pouredSum(sums) };
  })();
  ledger.track(request.nonce, reply);
  return await reply;
}

async function grindLater(
  jam: Promise<void>,
  request: WorkRequest,
  host: Host,
  context: CallContext,
): Promise<WorkReply> {
  await orAborted(jam, context.signal);
  return await handle(request, host, context);
}

/** Resolves when `promise` does; rejects when nobody waits for the call any more. */
function orAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    void promise.then(() => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    });
  });
}
