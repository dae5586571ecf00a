// Rpcs that stream, as generated code has them: what a client asks of its caller, and which handlers and callers the
// compiler accepts under every strict flag. Whether streams arrive is not tested here.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { MemoryReader } from "../../src/gen/load.js";
import { compileErrors, diagnose, generateInto, importFile } from "./support.js";

const MANIFEST = `syntax = "proto3"; package t;
  message Line { oneof text { string plain = 1; bytes packed = 2; } }
  message Room { string name = 1; }
  message Count { uint64 lines = 1; }
  service Chat {
    rpc Ask(Room) returns (Count);
    rpc Upload(stream Line) returns (Count);
    rpc Watch(Room) returns (stream Line);
    rpc Talk(stream Line) returns (stream Line);
  }`;

/** Types that generated clients and handlers name, declared by somebody else. */
const NAMESAKES = `syntax = "proto3"; package n;
  message AsyncIterable { string a = 1; } message Iterable { string a = 1; } message Promise { string a = 1; }
  message ServerStream { AsyncIterable a = 1; } message ClientStream { string a = 1; } message BidiStream { string a = 1; }
  message Caller { string a = 1; } message CallOptions { string a = 1; } message CallContext { string a = 1; }
  service S {
    rpc A(AsyncIterable) returns (stream Iterable);
    rpc B(stream Promise) returns (ServerStream);
    rpc C(stream ClientStream) returns (stream BidiStream);
    rpc D(stream Caller) returns (stream CallOptions);
    rpc E(CallContext) returns (AsyncIterable);
  }`;

/** Handlers in every form that is meant to be possible. What follows @ts-expect-error must not compile. */
const HANDLERS = `
import type { CallContext } from "sluice/runtime";
import type { ChatHandlers, Count, Line, LineInit, Room } from "./chat.ts";

const line = (value: string): LineInit => ({ text: { case: "plain", value } });

class Generators implements ChatHandlers {
  private lines = 0n;
  ask(): { lines: bigint } {
    return { lines: this.lines };
  }
  async upload(requests: AsyncIterable<Line>, ctx: CallContext) {
    for await (const { text } of requests) if (text.case === "plain" && !ctx.isCancelled) this.lines++;
    return { lines: this.lines };
  }
  async *watch(room: Room): AsyncGenerator<LineInit> {
    yield line(room.name);
  }
  async *talk(requests: AsyncIterable<Line>) {
    for await (const request of requests) yield request;
  }
}

const inferred: ChatHandlers = {
  ask: () => ({}),
  upload: async (requests) => {
    for await (const { text } of requests) if (text.case === "packed") return { lines: BigInt(text.value.length) };
    return {};
  },
  async *watch({ name }, ctx) {
    yield { text: { case: "plain", value: name + ctx.remainingMs } };
    yield {};
  },
  async *talk(requests) {
    for await (const { text } of requests) yield { text };
  },
};

const plain: ChatHandlers = {
  ask: async () => ({ lines: 1n }),
  upload: () => ({ lines: 2n }),
  watch: ({ name }) => [{ text: { case: "plain", value: name } }, {}],
  talk: (requests) => requests,
};

const generator: ChatHandlers = {
  ...plain,
  *watch({ name }) {
    yield { text: { case: "plain", value: name } };
  },
  *talk() {
    yield line("welcome");
  },
};

const passedOn = (source: AsyncIterable<Line>, other: ReadonlySet<LineInit>): ChatHandlers => ({
  ...plain,
  watch: () => source,
  talk: () => other,
});

const refusing: ChatHandlers = {
  ask: plain.ask,
  upload(): never {
    throw new Error("not here");
  },
  watch(): never {
    throw new Error("not here");
  },
  talk: () => {
    throw new Error("not here");
  },
};

const refused = {
  // @ts-expect-error: yields what is no Line
  async *watch() {
    yield { text: { case: "loud", value: "" } };
  },
  // @ts-expect-error: a promise cannot be iterated
  talk: async () => [line("")],
  // @ts-expect-error: one reply, not many
  async *upload(): AsyncGenerator<Count> {},
} satisfies Partial<ChatHandlers>;

// @ts-expect-error: without Talk
const incomplete: ChatHandlers = { ask: plain.ask, upload: plain.upload, watch: plain.watch };

export const all: object[] = [Generators, inferred, generator, passedOn, refusing, refused, incomplete];
`;

/** What callers write, and what they must not. */
const CALLS = `
import type { BidiStream, Caller, ClientStream, ServerStream } from "sluice/runtime";
import { ChatClient, type Count, type Line, type LineInit } from "./chat.ts";

export async function calls(caller: Caller): Promise<void> {
  const chat = new ChatClient(caller);
  const watch: ServerStream<Line> = chat.watch({ name: "a" }, { timeoutMs: 1 });
  for await (const { text } of watch) if (text.case === "plain") text.value.trim();
  const upload: ClientStream<LineInit, Count> = chat.upload();
  await upload.send({ text: { case: "packed", value: new Uint8Array(1) } });
  await upload.close();
  const { lines }: { lines: bigint } = await upload.response;
  const talk: BidiStream<LineInit, Line> = chat.talk({ metadata: { a: String(lines) } });
  await talk.send({});
  for await (const { text } of talk) if (text.case === undefined) talk.cancel();
  // @ts-expect-error: what streams up has no request
  chat.upload({ name: "a" });
  // @ts-expect-error: what streams only down has nothing to send
  watch.send({});
  // @ts-expect-error: a Line is no Room
  chat.watch({ text: { case: "plain", value: "" } });
}
`;

let folder: string;
let errors: string[];

beforeAll(() => {
  const manifests = { "chat.proto": MANIFEST, "namesakes.proto": NAMESAKES };
  folder = generateInto("streams", Object.keys(manifests), new MemoryReader(manifests));
  writeFileSync(join(folder, "handlers.ts"), HANDLERS);
  writeFileSync(join(folder, "calls.ts"), CALLS);
  errors = compileErrors(folder);
}, 60_000);

describe("streaming rpcs", () => {
  it("ask the caller for a call of their kind, with the request unless it streams", async () => {
    const { Chat, ChatClient } = (await importFile(join(folder, "chat.ts"))) as unknown as GeneratedChat;
    const asked: unknown[][] = [];
    const carries =
      (kind: string) =>
      (...given: unknown[]): string => {
        asked.push([kind, ...given]);
        return `the ${kind} call`;
      };
    const kinds = ["unary", "clientStream", "serverStream", "bidiStream"];
    const client = new ChatClient(Object.fromEntries(kinds.map((kind) => [kind, carries(kind)])));
    const { ask, upload, watch, talk } = Chat.methods;
    const room = { name: "a" };
    const options = { timeoutMs: 1 };
    const given = [
      client.ask(room, options),
      client.upload(options),
      client.watch(room, options),
      client.talk(options),
    ];
    expect(given).toEqual(kinds.map((kind) => `the ${kind} call`));
    expect(asked).toEqual([
      ["unary", ask, room, options],
      ["clientStream", upload, options],
      ["serverStream", watch, room, options],
      ["bidiStream", talk, options],
    ]);
    expect([ask, upload, watch, talk].map((method) => method?.kind)).toEqual([
      "unary",
      "client-streaming",
      "server-streaming",
      "bidi-streaming",
    ]);
  });

  it.each([
    ["a client and an interface of handlers", "chat.ts"],
    ["handlers that are generators, async generators, or give any iterable, and no others", "handlers.ts"],
    ["callers that send and iterate what the rpc streams, and nothing else", "calls.ts"],
    ["clients and handlers of messages that have the names of what these use", "namesakes.ts"],
  ])("compile under every strict flag: %s", (_, file) => {
    expect(errors.filter((line) => line.includes(file) || line.startsWith("error TS"))).toEqual([]);
  });

  it("give no warning", () => {
    expect(diagnose(MANIFEST)).toEqual([]);
  });

  it.each([
    ["stream A", "google.protobuf.Empty", "client-streaming"],
    ["A", "stream google.protobuf.Empty", "server-streaming"],
    ["stream A", "stream google.protobuf.Empty", "bidi-streaming"],
  ])("cannot be one-way: rpc M(%s) returns (%s)", (input, output, kind) => {
    const manifest = `syntax = "proto3"; import "sluice/options.proto"; import "google/protobuf/empty.proto"; message A {}
service S { rpc M(${input}) returns (${output}) { option (sluice.method).one_way = true; } }`;
    expect(diagnose(manifest).join("\n")).toContain(`error: one_way is for rpcs without streams; M is ${kind}`);
  });
});

/** The module that MANIFEST becomes, as far as this file looks at it. */
interface GeneratedChat {
  readonly Chat: { readonly methods: Readonly<Record<"ask" | "upload" | "watch" | "talk", { readonly kind: string }>> };
  readonly ChatClient: new (
    caller: object,
  ) => Readonly<Record<"ask" | "upload" | "watch" | "talk", (...given: object[]) => unknown>>;
}
