// Policies in manifests: what they become in descriptors and handlers, what an rpc inherits from its service, and every
// mistake that the generator refuses, with its place.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Method } from "../../src/codec/method.js";
import type { ClientPolicy, ServerPolicy } from "../../src/codec/policy.js";
import { MAX_POLICY_COUNT, MAX_POLICY_MS } from "../../src/codec/policy-limits.js";
import { Code } from "../../src/codec/status.js";
import { CodeGeneratorRequest, CodeGeneratorResponse, FileDescriptorSet } from "../../src/gen/descriptor/descriptor.js";
import { BUNDLED_ROOT, MemoryReader } from "../../src/gen/load.js";
import { runPlugin } from "../../src/gen/plugin.js";
import {
  askProtoc,
  compileErrors,
  diagnose,
  generateInto,
  generateText,
  hasProtoc,
  importGenerated,
} from "./support.js";

const HEAD = `syntax = "proto3"; package t;
import "sluice/options.proto"; import "google/protobuf/empty.proto";
message Request {
  uint64 user_id = 1; string room = 2; bytes raw = 3; Kind kind = 4; optional bool urgent = 5;
  double price = 6; repeated string tags = 7; map<string, string> labels = 8; Request inner = 9; oneof place { string host = 10; }
  enum Kind { NONE = 0; }
}
message Reply {}
`;

/** Everything that a manifest can say, on as many rpcs as it takes. */
const ALL = `${HEAD}
service S {
  rpc Bind(Request) returns (Reply) {
    option idempotency_level = IDEMPOTENT;
    option (sluice.method) = {
      deadline: "500ms"  priority: HIGH
      server: { concurrency: 256  queue: 1024  queue_deadline: "20ms"  rate: 900  burst: 30  overflow: REJECT  limiter: ADAPTIVE }
      client: { concurrency: 64   queue: 4096  rate: 5000  burst: 10  overflow: BLOCK  failure: RETRY  throttle: true
                retry: { max_attempts: 3  initial_backoff: "10ms"  max_backoff: "0.2s"  codes: UNAVAILABLE codes: ABORTED } }
    };
  }
  rpc Report(Request) returns (google.protobuf.Empty) {
    option (sluice.method) = { client: { overflow: QUEUE  failure: QUEUE  queue_name: "stats"  queue_key: "user_id"  store: ALWAYS } };
  }
  rpc Note(Request) returns (google.protobuf.Empty) {
    option (sluice.method) = { client: { overflow: LOG  failure: LOG }  server: { overflow: LOG  limiter: STATIC } };
  }
  rpc Read(Request) returns (Reply) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (sluice.method).client = { failure: HEDGE  hedge: { delay: "20ms" }  overflow: REJECT };
  }
  rpc Save(Request) returns (Reply) {
    option (sluice.method).server.batch = { max_size: 64  max_delay: "2ms"  max_bytes: 65536 };
  }
  rpc Put(Request) returns (Reply) { option (sluice.method).server.batch = {}; }
  rpc Plain(Request) returns (Reply);
}`;

interface Policies {
  readonly client: ClientPolicy;
  readonly server: ServerPolicy;
}

/** What the plugin makes of protoc's descriptors. */
function throughProtoc(manifest: string): CodeGeneratorResponse {
  const folder = mkdtempSync(join(tmpdir(), "sluice-policies-"));
  try {
    writeFileSync(join(folder, "test.proto"), manifest);
    const args = ["-I", folder, "-I", BUNDLED_ROOT, "--include_imports", "--include_source_info"];
    execFileSync("protoc", [...args, "-o", join(folder, "set.binpb"), "test.proto"]);
    const { file } = FileDescriptorSet.fromBytes(readFileSync(join(folder, "set.binpb")));
    const request = CodeGeneratorRequest.toBytes({ fileToGenerate: ["test.proto"], protoFile: file });
    return CodeGeneratorResponse.fromBytes(runPlugin(request).response);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The policies that the descriptor of each rpc has. */
async function policiesOf(folder: string, manifest: string): Promise<Record<string, Policies>> {
  const { S } = (await importGenerated(folder, manifest)) as { S: { methods: Record<string, Method> } };
  return Object.fromEntries(Object.entries(S.methods).map(([name, { client, server }]) => [name, { client, server }]));
}

describe("policies in the descriptor", () => {
  it("are all that the manifest says and nothing else", async () => {
    expect(await policiesOf("policies", ALL)).toEqual({
      bind: {
        client: {
          ...{
            concurrency: 64,
            queue: 4096,
            rate: 5000,
            burst: 10,
            overflow: "block",
            failure: "retry",
            throttle: true,
          },
          retry: {
            ...{ maxAttempts: 3, initialBackoffMs: 10, maxBackoffMs: 200 },
            codes: [Code.UNAVAILABLE, Code.ABORTED],
          },
        },
        server: {
          ...{ concurrency: 256, queue: 1024, queueDeadlineMs: 20, rate: 900, burst: 30 },
          ...{ overflow: "reject", limiter: "adaptive" },
        },
      },
      report: {
        // The key is the field's name in TypeScript: programs look it up in the request.
        client: { overflow: "queue", failure: "queue", queueName: "stats", queueKey: "userId", storeAlways: true },
        server: {},
      },
      note: { client: { overflow: "log", failure: "log" }, server: { overflow: "log", limiter: "static" } },
      read: { client: { failure: "hedge", hedge: { delayMs: 20 }, overflow: "reject" }, server: {} },
      save: { client: {}, server: { batch: { maxSize: 64, maxDelayMs: 2, maxBytes: 65_536 } } },
      put: { client: {}, server: { batch: {} } },
      plain: { client: {}, server: {} },
    });
  });

  it("say nothing where the manifest says nothing", () => {
    const text = generateText(`${HEAD} service S { rpc M(Request) returns (Reply); }`);
    expect(text).not.toMatch(/client:|server:|BatchReplies/);
  });

  it("stand on one line where they fit, else one field a line; codes with their names", () => {
    const text = generateText(ALL);
    expect(text).toContain("    server: { batch: { maxSize: 64, maxDelayMs: 2, maxBytes: 65536 } },\n");
    expect(text).toContain("    client: {\n      concurrency: 64,\n");
    expect(text).toContain("codes: [14 /* UNAVAILABLE */, 10 /* ABORTED */]");
    expect(text).toContain("\n    },\n    server: {");
  });

  it("compile, with handlers of batches that take and give arrays", () => {
    const root = generateInto("policies-compiled", ["test.proto"], new MemoryReader({ "test.proto": ALL }));
    const uses = `import type { BatchReplies } from "sluice/runtime";
import type { ReplyInit, SHandlers } from "./test.ts";
export const now: SHandlers["save"] = (requests, contexts) => requests.map(({ room }, i) => ({ room, left: contexts[i]?.isCancelled }));
export const later: SHandlers["save"] = async (requests) => requests.map(async (): Promise<ReplyInit> => ({}));
export const replies: BatchReplies<ReplyInit> = [];
// @ts-expect-error: one reply is no batch
export const one: SHandlers["save"] = () => ({});
`;
    writeFileSync(join(root, "uses.ts"), uses);
    expect(compileErrors(root)).toEqual([]);
    const text = generateText(ALL);
    const replies = "BatchReplies<ReplyInit> | Promise<BatchReplies<ReplyInit>>";
    expect(text).toContain(`  save(requests: Request[], contexts: CallContext[]): ${replies};`);
    expect(text).toContain("  plain(request: Request, ctx: CallContext): ReplyInit | Promise<ReplyInit>;");
  }, 30_000);

  it.runIf(hasProtoc)("and the options file are what protoc accepts", () => {
    expect(askProtoc(ALL)).toEqual({ accepted: true, said: "" });
    const options = readFileSync(`${BUNDLED_ROOT}sluice/options.proto`, "utf8");
    expect(askProtoc(options)).toEqual({ accepted: true, said: "" });
  });

  it.runIf(hasProtoc)("are the same where protoc has read the manifest, zeros and mistakes too", () => {
    const zeros = 'option (sluice.method).server = { queue: 0 batch: { max_delay: "0ms" } };';
    const manifest = ALL.replace("rpc Plain(Request) returns (Reply);", (rpc) => rpc.replace(";", ` { ${zeros} }`));
    expect(generateText(manifest)).toContain("server: { queue: 0, batch: { maxDelayMs: 0 } }");
    const { file } = throughProtoc(manifest);
    expect(file[0]?.content).toBe(generateText(manifest));
    const mistaken = manifest.replace("queue: 0 ", 'queue_deadline: "" concurrency: 0 ');
    const texts = diagnose(mistaken).map((line) => line.replace(/.* error: /, ""));
    expect(texts).toHaveLength(2);
    for (const text of texts) expect(throughProtoc(mistaken).error).toContain(text);
  });
});

describe("an rpc inherits what its service says", () => {
  const withService = (service: string, rpcs: string): string =>
    `${HEAD} service S {\n  option (sluice.service) = { ${service} };\n  ${rpcs}\n}`;
  const unary = (name: string, option: string): string =>
    `rpc ${name}(Request) returns (Reply) { option (sluice.method) = { ${option} }; }`;

  it("field by field, inside of retry, hedge and batch, too", async () => {
    const manifest = withService(
      `client: { concurrency: 8 failure: RETRY retry: { max_attempts: 4 codes: UNAVAILABLE codes: ABORTED } throttle: true }
       server: { concurrency: 20 batch: { max_size: 8 max_delay: "1ms" } }`,
      `${unary("All", "")}
       ${unary("Some", 'client: { concurrency: 9 retry: { initial_backoff: "5ms" codes: INTERNAL } throttle: false } server: { batch: { max_size: 9 } }')}`,
    );
    const retry = { maxAttempts: 4, codes: [Code.UNAVAILABLE, Code.ABORTED] };
    expect(await policiesOf("policies-inherited", manifest)).toEqual({
      all: {
        client: { concurrency: 8, failure: "retry", retry, throttle: true },
        server: { concurrency: 20, batch: { maxSize: 8, maxDelayMs: 1 } },
      },
      some: {
        client: {
          ...{ concurrency: 9, failure: "retry", throttle: false },
          retry: { maxAttempts: 4, initialBackoffMs: 5, codes: [Code.INTERNAL] },
        },
        server: { concurrency: 20, batch: { maxSize: 9, maxDelayMs: 1 } },
      },
    });
  });

  it("but for what goes with something that it says otherwise", async () => {
    const manifest = withService(
      'client: { rate: 5 queue: 10 failure: RETRY retry: { max_attempts: 4 } queue_name: "q" queue_key: "room" } server: { queue_deadline: "5ms" }',
      `${unary("Fails", "client: { failure: FAIL overflow: REJECT } server: { queue: 0 }")}
       rpc Queues(Request) returns (google.protobuf.Empty) { option (sluice.method).client.failure = QUEUE; }
       ${unary("Retries", "")}`,
    );
    expect(await policiesOf("policies-otherwise", manifest)).toEqual({
      fails: { client: { rate: 5, failure: "fail", overflow: "reject" }, server: { queue: 0 } },
      queues: {
        client: { rate: 5, queue: 10, failure: "queue", queueName: "q", queueKey: "room" },
        server: { queueDeadlineMs: 5 },
      },
      retries: {
        client: { rate: 5, queue: 10, failure: "retry", retry: { maxAttempts: 4 } },
        server: { queueDeadlineMs: 5 },
      },
    });
  });

  it("but for what streams and one-way rpcs cannot have", async () => {
    const manifest = withService(
      `client: { concurrency: 8 rate: 5 failure: RETRY retry: { max_attempts: 4 } throttle: true }
       server: { concurrency: 8 batch: { max_size: 8 } overflow: REJECT }`,
      `rpc Watch(Request) returns (stream Reply);
       rpc Upload(stream Request) returns (Reply);
       rpc Tell(Request) returns (google.protobuf.Empty) { option (sluice.method).one_way = true; }
       ${unary("Ask", "")}`,
    );
    const stream = { client: { concurrency: 8, rate: 5 }, server: { concurrency: 8, overflow: "reject" } };
    const policies = await policiesOf("policies-kinds", manifest);
    expect(policies).toMatchObject({ watch: stream, upload: stream });
    expect(policies.watch).toEqual(stream);
    expect(policies.tell).toEqual({ client: { rate: 5 }, server: { concurrency: 8, overflow: "reject" } });
    expect(policies.ask?.client.failure).toBe("retry");
    expect(generateText(manifest)).toContain("  ask(requests: Request[], contexts: CallContext[])");
  });

  it.each([
    ["burst: 10", "10:48: error: burst is for rate, which is not said: write rate, or leave burst out"],
    ["failure: RETRY", "10:50: error: failure: RETRY is for unary rpcs; Watch is server-streaming: leave it out"],
  ])("and what no rpc can have is an error of the service: %s", (client, text) => {
    const manifest = withService(`client: { ${client} }`, "rpc Watch(Request) returns (stream Reply);");
    expect(diagnose(manifest)).toEqual([`test.proto:${text}`]);
  });

  it("and a mistake in it is told once, where the service says it, whether there are rpcs or not", () => {
    const range = "test.proto:10:54: error: concurrency is from 1 to 16777216; 0 is not: for no limit, leave it out";
    const manifest = (rpcs: string): string => withService("client: { concurrency: 0 }", rpcs);
    expect(diagnose(manifest(`${unary("A", "")} ${unary("B", "")}`))).toEqual([range]);
    expect(diagnose(manifest(""))).toEqual([range]);
    expect(diagnose(manifest(unary("A", "client: { concurrency: 1 }")))).toEqual([range]);
  });

  it("and what contradicts its own words is told where it says them", () => {
    const manifest = withService(
      'client: { retry: { initial_backoff: "1s" } }',
      `\n${unary("A", 'client: { failure: RETRY retry: { max_backoff: "10ms" } }')}`,
    );
    expect(diagnose(manifest)).toEqual([expect.stringMatching(/^test.proto:12:\d+: error: max_backoff \(10 ms\)/)]);
  });

  it("and what it cannot have is told with its name, where the service says it", () => {
    const manifest = withService('client: { failure: QUEUE queue_name: "q" }', unary("A", ""));
    expect(diagnose(manifest)).toEqual([
      "test.proto:10:50: error: failure: QUEUE is for rpcs that return google.protobuf.Empty, since the call succeeds without a reply; A returns t.Reply: write FAIL or RETRY",
    ]);
  });
});

const EMPTY = "google.protobuf.Empty";
const KINDS = {
  reply: "rpc M(Request) returns (Reply) {",
  idempotent: "rpc M(Request) returns (Reply) { option idempotency_level = IDEMPOTENT;",
  empty: `rpc M(Request) returns (${EMPTY}) {`,
  oneWay: `rpc M(Request) returns (${EMPTY}) { option (sluice.method).one_way = true;`,
  serverStream: "rpc M(Request) returns (stream Reply) {",
  clientStream: "rpc M(stream Request) returns (Reply) {",
  bidiStream: "rpc M(stream Request) returns (stream Reply) {",
} as const;
type Kind = keyof typeof KINDS;

/** A manifest with one rpc, whose policy stands on a line of its own. */
const withPolicy = (kind: Kind, policy: string): string =>
  `${HEAD}service S { ${KINDS[kind]}\n${policy.replace(/^(deadline|client|server): (.*)$/gm, "option (sluice.method).$1 = $2;")}\n} }`;

/** What is said against a policy; `^` marks where it must stand. */
function mistakes(kind: Kind, marked: string): { readonly found: string[]; readonly place: string } {
  const manifest = withPolicy(kind, marked);
  const before = manifest.slice(0, manifest.indexOf("^")).split("\n");
  return {
    found: diagnose(manifest.replace("^", "")),
    place: `test.proto:${before.length}:${before.at(-1)!.length + 1}`,
  };
}

const STREAMS: readonly Kind[] = ["serverStream", "clientStream", "bidiStream"];
const KIND_NAMES: Partial<Record<Kind, string>> = {
  serverStream: "server-streaming",
  clientStream: "client-streaming",
  bidiStream: "bidi-streaming",
};

/** What is allowed of the client's overflow and failure, and of the server's, for rpcs of each kind. */
const ALLOWED: Readonly<Record<Kind, { overflow: string; failure: string; server: string }>> = {
  reply: { overflow: "BLOCK REJECT", failure: "FAIL RETRY", server: "REJECT" },
  idempotent: { overflow: "BLOCK REJECT", failure: "FAIL RETRY HEDGE", server: "REJECT" },
  empty: { overflow: "BLOCK REJECT LOG QUEUE", failure: "FAIL RETRY LOG QUEUE", server: "REJECT LOG" },
  oneWay: { overflow: "BLOCK REJECT LOG QUEUE", failure: "FAIL LOG QUEUE", server: "REJECT LOG" },
  serverStream: { overflow: "BLOCK REJECT", failure: "FAIL", server: "REJECT" },
  clientStream: { overflow: "BLOCK REJECT", failure: "FAIL", server: "REJECT" },
  bidiStream: { overflow: "BLOCK REJECT", failure: "FAIL", server: "REJECT" },
};
const OVERFLOWS = ["BLOCK", "REJECT", "LOG", "QUEUE"];
const FAILURES = ["FAIL", "RETRY", "HEDGE", "LOG", "QUEUE"];

describe("what goes together", () => {
  it.each(Object.keys(KINDS) as Kind[])("each overflow with each failure: %s", (kind) => {
    const allowed = ALLOWED[kind];
    for (const overflow of OVERFLOWS) {
      for (const failure of FAILURES) {
        const queue = overflow === "QUEUE" || failure === "QUEUE" ? 'queue_name: "q"' : "";
        const said = diagnose(withPolicy(kind, `client: { overflow: ${overflow} failure: ${failure} ${queue} }`));
        const isAllowed =
          allowed.overflow.split(" ").includes(overflow) && allowed.failure.split(" ").includes(failure);
        expect([overflow, failure, said.length === 0]).toEqual([overflow, failure, isAllowed]);
      }
    }
  });

  it.each(Object.keys(KINDS) as Kind[])("overflow in the server: %s", (kind) => {
    const allowed = ["REJECT", "LOG"].filter(
      (overflow) => diagnose(withPolicy(kind, `server: { overflow: ${overflow} }`)).length === 0,
    );
    expect(allowed.join(" ")).toBe(ALLOWED[kind].server);
  });

  it.each<[Kind, string]>([
    ["reply", "client: { queue: 5 concurrency: 5 }"],
    ["reply", "client: { queue: 5 rate: 5 overflow: BLOCK }"],
    ["reply", 'client: { failure: RETRY retry: { initial_backoff: "10ms" max_backoff: "10ms" } }'],
    ["reply", 'deadline: "20ms"\nserver: { queue_deadline: "20ms" batch: { max_delay: "19ms" } }'],
    ["idempotent", 'deadline: "20ms"\nclient: { failure: HEDGE hedge: { delay: "19ms" } }'],
    ["reply", 'deadline: "20ms"\nclient: { failure: RETRY retry: { initial_backoff: "19ms" } }'],
    ["empty", 'client: { failure: QUEUE queue_name: "q" store: ALWAYS }'],
    ["empty", 'client: { overflow: QUEUE failure: FAIL queue_name: "q" store: ALWAYS concurrency: 5 }'],
    ["empty", 'client: { overflow: QUEUE failure: RETRY queue_name: "q" store: ON_DEMAND }'],
    ["reply", "client: { concurrency: 5 rate: 5 burst: 5 throttle: true }\nserver: { limiter: ADAPTIVE queue: 0 }"],
    [
      "serverStream",
      "client: { concurrency: 5 rate: 5 queue: 5 throttle: false }\nserver: { concurrency: 5 queue: 5 rate: 1 }",
    ],
    ["oneWay", "client: { rate: 5 queue: 5 }\nserver: { concurrency: 5 limiter: ADAPTIVE }"],
    ["reply", "server: { batch: {} limiter: STATIC }"],
    ["reply", "server: { concurrency: 64 batch: { max_size: 64 } }"],
    ...["user_id", "room", "raw", "kind", "urgent"].map((key): [Kind, string] => [
      "empty",
      `client: { failure: QUEUE queue_name: "q" queue_key: "${key}" }`,
    ]),
  ])("is allowed: %s %s", (kind, policy) => {
    expect(diagnose(withPolicy(kind, policy))).toEqual([]);
  });
});

describe("what makes no sense is refused at its place", () => {
  const needless = "with store: ALWAYS every call goes through the queue";
  const keys = "queue_key is a string, an integer, a bool, an enum or bytes";
  const some = "name one of user_id, room, raw, kind, urgent";

  it.each<[Kind, string, string]>([
    // What goes with something else.
    ["reply", "client: { burst: ^5 }", "burst is for rate, which is not said: write rate, or leave burst out"],
    ["reply", "server: { burst: ^5 }", "burst is for rate, which is not said: write rate, or leave burst out"],
    [
      "reply",
      "client: { concurrency: 1 overflow: REJECT queue: ^5 }",
      "queue is for overflow: BLOCK; with overflow: REJECT no call waits: leave queue out",
    ],
    [
      "reply",
      "client: { queue: ^5 }",
      "queue is for calls beyond concurrency or rate: write one of them, or leave queue out",
    ],
    ["reply", "client: { retry: ^{} }", "retry is for failure: RETRY: write that, or leave retry out"],
    [
      "idempotent",
      "client: { failure: RETRY hedge: ^{} }",
      "hedge is for failure: HEDGE: write that, or leave hedge out",
    ],
    [
      "reply",
      'client: { failure: RETRY retry: { initial_backoff: "20ms" max_backoff: ^"10ms" } }',
      "max_backoff (10 ms) is shorter than initial_backoff (20 ms): write a longer max_backoff or a shorter initial_backoff",
    ],
    [
      "reply",
      'client: { failure: RETRY retry: { initial_backoff: ^"2s" } }',
      "max_backoff (1000 ms) is shorter than initial_backoff (2000 ms): write a longer max_backoff or a shorter initial_backoff",
    ],
    [
      "reply",
      'server: { queue: 0 queue_deadline: ^"5ms" }',
      "with queue: 0 no call waits: leave queue_deadline or queue out",
    ],
    [
      "reply",
      "server: { batch: {} limiter: ^ADAPTIVE }",
      "limiter: ADAPTIVE follows the time of single calls, which a batch does not tell: write limiter: STATIC, or leave batch out",
    ],
    [
      "reply",
      "server: { concurrency: 63 batch: { max_size: ^64 } }",
      "a batch of max_size (64) is never full: concurrency (63) counts its calls: write a larger concurrency or a smaller max_size",
    ],
    // Durable queues.
    ["empty", "client: { overflow: ^QUEUE }", 'overflow: QUEUE needs a queue: write queue_name: "..."'],
    ["empty", "client: { failure: ^QUEUE }", 'failure: QUEUE needs a queue: write queue_name: "..."'],
    ...(
      [
        ["queue_name", '"q"'],
        ["queue_key", '"room"'],
        ["store", "ALWAYS"],
        ["store", "ON_DEMAND"],
      ] as const
    ).map(([option, value]): [Kind, string, string] => [
      "empty",
      `client: { ${option}: ^${value} }`,
      `${option} is for overflow: QUEUE or failure: QUEUE: write one, or leave ${option} out`,
    ]),
    [
      "empty",
      'client: { overflow: QUEUE failure: RETRY queue_name: "q" store: ^ALWAYS }',
      `${needless}: leave failure: RETRY or store out`,
    ],
    [
      "empty",
      'client: { overflow: REJECT failure: QUEUE queue_name: "q" store: ^ALWAYS }',
      `${needless}: leave overflow: REJECT or store out`,
    ],
    [
      "empty",
      'client: { failure: QUEUE queue_name: "q" store: ALWAYS rate: 5 queue: ^5 }',
      `${needless}, and no call waits elsewhere: leave queue out`,
    ],
    ...(
      [
        ["nope", 'the request of M has no field "nope"'],
        ["price", "price is a floating-point number"],
        ["tags", "tags is repeated"],
        ["labels", "labels is repeated"],
        ["inner", "inner is a message"],
        ["host", "host is in a oneof"],
      ] as const
    ).map(([key, why]): [Kind, string, string] => [
      "empty",
      `client: { failure: QUEUE queue_name: "q" queue_key: ^"${key}" }`,
      `${keys}; ${why}: ${some}`,
    ]),
    // What an rpc of the kind cannot have.
    ...STREAMS.flatMap((kind): [Kind, string, string][] => {
      const is = `is for unary rpcs; M is ${KIND_NAMES[kind]}`;
      return [
        [kind, "client: { overflow: ^LOG }", `overflow: LOG ${is}: write BLOCK or REJECT`],
        [kind, 'client: { overflow: ^QUEUE queue_name: "q" }', `overflow: QUEUE ${is}: write BLOCK or REJECT`],
        [kind, "client: { failure: ^RETRY }", `failure: RETRY ${is}: leave it out`],
        [kind, "client: { throttle: ^true }", `throttle ${is}: leave it out`],
        [kind, "server: { overflow: ^LOG }", `overflow: LOG ${is}: write REJECT`],
        [kind, "server: { limiter: ^ADAPTIVE }", `limiter: ADAPTIVE ${is}: write STATIC`],
        [kind, "server: { batch: ^{} }", `batch ${is}: leave it out`],
      ];
    }),
    [
      "oneWay",
      "client: { concurrency: ^5 }",
      "concurrency is for rpcs with an answer; a call of M, which is one-way, is over once it is written: write rate instead",
    ],
    ["oneWay", "client: { failure: ^RETRY }", "failure: RETRY is for rpcs with an answer; M is one-way: leave it out"],
    ["oneWay", "client: { failure: ^HEDGE }", "failure: HEDGE is for rpcs with an answer; M is one-way: leave it out"],
    ["oneWay", "client: { throttle: ^true }", "throttle is for rpcs with an answer; M is one-way: leave it out"],
    ["oneWay", "server: { batch: ^{} }", "batch is for rpcs with an answer; M is one-way: leave it out"],
    ...(
      [
        ["client: { overflow: ^LOG }", "overflow: LOG", "BLOCK or REJECT"],
        ['client: { overflow: ^QUEUE queue_name: "q" }', "overflow: QUEUE", "BLOCK or REJECT"],
        ["client: { failure: ^LOG }", "failure: LOG", "FAIL or RETRY"],
        ['client: { failure: ^QUEUE queue_name: "q" }', "failure: QUEUE", "FAIL or RETRY"],
        ["server: { overflow: ^LOG }", "overflow: LOG", "REJECT"],
      ] as const
    ).map(([policy, what, instead]): [Kind, string, string] => [
      "reply",
      policy,
      `${what} is for rpcs that return ${EMPTY}, since the call succeeds without a reply; M returns t.Reply: write ${instead}`,
    ]),
    [
      "reply",
      "client: { failure: ^HEDGE }",
      "failure: HEDGE runs a call twice; M is not idempotent: write option idempotency_level = IDEMPOTENT if it is, else failure: RETRY",
    ],
    // Beside the deadline.
    [
      "reply",
      'deadline: "20ms"\nserver: { queue_deadline: ^"21ms" }',
      "queue_deadline (21 ms) leaves nothing of the deadline (20 ms): write a shorter queue_deadline",
    ],
    [
      "reply",
      'deadline: "20ms"\nserver: { batch: { max_delay: ^"20ms" } }',
      "max_delay (20 ms) leaves nothing of the deadline (20 ms): write a shorter max_delay",
    ],
    [
      "idempotent",
      'deadline: "20ms"\nclient: { failure: HEDGE hedge: { delay: ^"20ms" } }',
      "delay (20 ms) leaves nothing of the deadline (20 ms): write a shorter delay",
    ],
    [
      "reply",
      'deadline: "20ms"\nclient: { failure: RETRY retry: { initial_backoff: ^"20ms" } }',
      "initial_backoff (20 ms) leaves nothing of the deadline (20 ms): write a shorter initial_backoff",
    ],
    // Values.
    ["reply", "client: { failure: RETRY retry: { ^codes: OK } }", "OK is no failure: leave it out of codes"],
    [
      "reply",
      "client: { failure: RETRY retry: { codes: UNAVAILABLE ^codes: CANCELLED } }",
      "CANCELLED says that the caller gave up: leave it out of codes",
    ],
    [
      "reply",
      "client: { failure: RETRY retry: { ^codes: DEADLINE_EXCEEDED } }",
      "DEADLINE_EXCEEDED leaves no time, because the deadline is for all attempts together: leave it out of codes",
    ],
    ["reply", "client: { failure: RETRY retry: { ^codes: [ABORTED, ABORTED] } }", "codes names a code twice"],
    ["reply", "client: { failure: RETRY retry: { ^codes: 17 } }", "17 is no status code"],
    ["reply", "client: { overflow: ^9 }", "overflow is BLOCK, REJECT, LOG, QUEUE; 9 is not"],
    ["empty", "client: { store: ^3 }", "store is ON_DEMAND, ALWAYS; 3 is not"],
    [
      "reply",
      "server: { overflow: ^BLOCK }",
      "expected a value of the enum sluice.ServerPolicy.Overflow (OVERFLOW_UNSPECIFIED, REJECT, LOG), found BLOCK",
    ],
    [
      "reply",
      'server: { queue_deadline: ^"soon" }',
      'expected a duration such as "500ms", "2s", "1m" or "1h", found "soon"',
    ],
    [
      "reply",
      'server: { queue_deadline: ^"1.5ms" }',
      'queue_deadline is a whole number of milliseconds; "1.5ms" is 1.5 ms',
    ],
  ])("%s %s", (kind, marked, text) => {
    const { found, place } = mistakes(kind, marked);
    expect(found).toEqual([`${place}: error: ${text}`]);
  });

  it("all of it at once", () => {
    const manifest = withPolicy(
      "reply",
      'client: { burst: 1 overflow: LOG }\nserver: { burst: 1 queue_deadline: "x" }',
    );
    expect(diagnose(manifest)).toHaveLength(4);
  });
});

describe("limits", () => {
  const range = (option: string, least: number, most: number, unit = ""): string =>
    `${option} is from ${least} to ${most}${unit};`;
  const retry = (inside: string): string => `client: { failure: RETRY retry: { ${inside} } }`;

  it.each<[string, number, number, (value: number) => string]>([
    ["concurrency", 1, MAX_POLICY_COUNT, (value) => `client: { concurrency: ${value} }`],
    ["queue", 1, MAX_POLICY_COUNT, (value) => `client: { concurrency: 1 queue: ${value} }`],
    ["rate", 1, MAX_POLICY_COUNT, (value) => `client: { rate: ${value} }`],
    ["burst", 1, MAX_POLICY_COUNT, (value) => `client: { rate: 1 burst: ${value} }`],
    ["max_attempts", 2, 5, (value) => retry(`max_attempts: ${value}`)],
    ["concurrency", 1, MAX_POLICY_COUNT, (value) => `server: { concurrency: ${value} }`],
    ["queue", 0, MAX_POLICY_COUNT, (value) => `server: { queue: ${value} }`],
    ["rate", 1, MAX_POLICY_COUNT, (value) => `server: { rate: ${value} }`],
    ["burst", 1, MAX_POLICY_COUNT, (value) => `server: { rate: 1 burst: ${value} }`],
    ["max_size", 2, 65_536, (value) => `server: { batch: { max_size: ${value} } }`],
    ["max_bytes", 1, 1_073_741_824, (value) => `server: { batch: { max_bytes: ${value} } }`],
  ])("%s is from %d to %d: %o", (option, least, most, policy) => {
    for (const good of [least, most]) expect(diagnose(withPolicy("reply", policy(good)))).toEqual([]);
    for (const bad of [least - 1, most + 1].filter((value) => value >= 0))
      expect(diagnose(withPolicy("reply", policy(bad))).join()).toContain(
        `${range(option, least, most)} ${bad} is not`,
      );
  });

  it.each<[string, number, number, (value: string) => string]>([
    [
      "initial_backoff",
      1,
      MAX_POLICY_MS,
      (value) => retry(`initial_backoff: ${value} max_backoff: "${MAX_POLICY_MS}ms"`),
    ],
    ["max_backoff", 1, MAX_POLICY_MS, (value) => retry(`initial_backoff: "1ms" max_backoff: ${value}`)],
    ["delay", 1, MAX_POLICY_MS, (value) => `client: { failure: HEDGE hedge: { delay: ${value} } }`],
    ["queue_deadline", 1, MAX_POLICY_MS, (value) => `server: { queue_deadline: ${value} }`],
    ["max_delay", 0, 60_000, (value) => `server: { batch: { max_delay: ${value} } }`],
  ])("%s is from %d to %d ms: %o", (option, least, most, policy) => {
    for (const good of [least, most]) expect(diagnose(withPolicy("idempotent", policy(`"${good}ms"`)))).toEqual([]);
    const above = diagnose(withPolicy("idempotent", policy(`"${most + 1}ms"`))).join();
    const text =
      most === MAX_POLICY_MS
        ? `${option} is at most ${most} ms`
        : `${range(option, least, most, " ms")} ${most + 1} is not`;
    expect(above).toContain(text);
    if (least === 0) return;
    expect(diagnose(withPolicy("idempotent", policy('"0ms"'))).join()).toContain(range(option, least, most, " ms"));
  });

  it.each([
    ["q", true],
    ["Stats-2.daily_x", true],
    ["q".repeat(100), true],
    ["q".repeat(101), false],
    ["", false],
    ["_q", true],
    [".q", false],
    ["-q", false],
    ["a/b", false],
    ["a b", false],
  ])("queue_name is %j: %s", (name, isAllowed) => {
    const found = diagnose(withPolicy("empty", `client: { failure: QUEUE queue_name: "${name}" }`)).join();
    expect(found === "").toBe(isAllowed);
    if (!isAllowed) expect(found).toContain(`queue_name is at most 100 letters, digits, "_", "." and "-"`);
  });

  it("say what to write instead of too little", () => {
    const hint = (policy: string): string =>
      diagnose(withPolicy("reply", policy))
        .join()
        .replace(/.* is not: /, "");
    expect(hint("client: { rate: 0 }")).toBe("for no limit, leave it out");
    expect(hint("client: { rate: 1 queue: 0 }")).toBe("for calls that do not wait, write overflow: REJECT");
    expect(hint(retry("max_attempts: 1"))).toBe("for one attempt, write failure: FAIL");
    expect(hint("server: { batch: { max_size: 1 } }")).toBe("for one call at a time, leave batch out");
  });
});
