// A service for tests of policies: its methods have the replies and the idempotency that policies ask for, and no policy
// until a test gives them one.

import { type CallContext, type Channel, Method, type Peer, type RpcError, Service } from "../../src/index.js";
import { Empty, type EmptyInit } from "../../src/runtime.js";
import { Message, type MessageInit } from "./gen/support/v1/echo.js";

const service = "support.v1.Jobs";

/** What serves {@link Jobs}. */
export interface JobsHandlers {
  run(request: Message, ctx: CallContext): MessageInit | Promise<MessageInit>;
  repeat(request: Message, ctx: CallContext): MessageInit | Promise<MessageInit>;
  report(request: Message, ctx: CallContext): EmptyInit | Promise<EmptyInit>;
  list(request: Message, ctx: CallContext): AsyncIterable<MessageInit> | Iterable<MessageInit>;
}

/** `run` may not run twice, `repeat` may, `report` has an empty reply, `list` streams. */
export const jobs: {
  readonly run: Method<Message, MessageInit, Message, MessageInit>;
  readonly repeat: Method<Message, MessageInit, Message, MessageInit>;
  readonly report: Method<Message, MessageInit, Empty, EmptyInit>;
  readonly list: Method<Message, MessageInit, Message, MessageInit>;
} = {
  run: new Method(service, { name: "Run", localName: "run", input: Message, output: Message }),
  repeat: new Method(service, {
    name: "Repeat",
    localName: "repeat",
    input: Message,
    output: Message,
    idempotency: "idempotent",
  }),
  report: new Method(service, { name: "Report", localName: "report", input: Message, output: Empty }),
  list: new Method(service, {
    name: "List",
    localName: "list",
    kind: "server-streaming",
    input: Message,
    output: Message,
  }),
};

export const Jobs: Service<JobsHandlers> = new Service(service, jobs);

/** What was counted for a method. */
export function statsOf(caller: Channel | Peer, { path }: { readonly path: string }): object | undefined {
  return caller.policies.stats()[path];
}

/** Handlers that hold their calls until the test lets each one go, in order. */
export class HeldJobs {
  readonly held: { readonly request: Message; readonly ctx: CallContext; end(error?: RpcError): void }[] = [];

  readonly handle = (request: Message, ctx: CallContext): Promise<MessageInit> =>
    new Promise((resolve, reject) => {
      const end = (error?: RpcError): void => (error === undefined ? resolve(request) : reject(error));
      this.held.push({ request, ctx, end });
    });

  /** Handlers of {@link Jobs} that all hold their calls. */
  get handlers(): JobsHandlers {
    const { handle } = this;
    return {
      run: handle,
      repeat: handle,
      report: (request, ctx) => handle(request, ctx).then(() => ({})),
      list: () => [],
    };
  }

  /** Ids of the requests that are held. */
  get ids(): number[] {
    return this.held.map(({ request }) => Number(request.id));
  }

  /** Lets go what is held, the first `count`. */
  release(count: number = this.held.length): void {
    for (const { end } of this.held.splice(0, count)) end();
  }
}
