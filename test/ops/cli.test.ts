// `sluice policy` and `sluice stats` against a server in this process, over loopback: what they show and change, what they
// refuse, and which exit code says so.

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { policyCommand } from "../../src/cli/policy.js";
import { statsCommand } from "../../src/cli/stats.js";
import { UsageError } from "../../src/cli/usage.js";
import { type Channel, Code, connect, createServer, RpcError, type Server } from "../../src/index.js";
import { serveAdmin } from "../../src/ops/admin.js";
import { Echo, EchoClient } from "../support/gen/support/v1/echo.js";

const ECHO = Echo.methods.echo.path;

let server: Server;
let channel: Channel;
let address: string;
let out: string;
let errors: string;

beforeEach(async () => {
  out = errors = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    out += String(text);
    return true;
  });
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    errors += String(text);
    return true;
  });
  server = createServer().handle(Echo, {
    echo: (request) => request,
    echoSoon: (request) => request,
    hold: (request) => request,
    fail: () => Promise.reject(new RpcError(Code.ABORTED, "no")),
    note: () => ({}),
  });
  address = await server.listen("tcp://127.0.0.1:0");
  channel = connect(address);
  channel.policies.set(Echo.methods.echo, { rate: 1_000, failure: "retry" });
});

afterEach(async () => {
  vi.restoreAllMocks();
  await channel.close();
  await server.close();
});

/** Runs `sluice policy`; what it printed is in `out`. */
function policy(...args: string[]): Promise<number> {
  out = errors = "";
  return policyCommand([address, ...args]);
}

describe("sluice policy", () => {
  beforeEach(() => serveAdmin(server, { channels: { self: channel } }));

  it("shows every method with its counters and its policy", async () => {
    server.policies.set(ECHO, { concurrency: 64, queueDeadlineMs: 20, overflow: "reject" });
    const echo = new EchoClient(channel);
    await Promise.all(Array.from({ length: 3 }, () => echo.echo({})));
    await echo.fail({}).catch(() => {});
    expect(await policy()).toBe(0);
    const lines = out.split("\n");
    expect(lines[0]).toMatch(/^METHOD +RUNNING +WAITING +SUCCEEDED +FAILED +REJECTED +POLICY$/);
    const cells = lines.map((line) => line.split(/ {2,}/));
    expect(cells.find(([name]) => name === ECHO)).toEqual([
      ECHO,
      "0/64",
      "0",
      "3",
      "0",
      "-",
      "concurrency: 64",
      'queue_deadline: "20ms"',
      "overflow: REJECT",
    ]);
    expect(cells.find(([name]) => name === Echo.methods.fail.path)?.slice(1, 6)).toEqual([
      "0/65536",
      "0",
      "0",
      "1",
      "-",
    ]);
    expect(cells.find(([name]) => name === `${ECHO} (self)`)?.slice(1)).toEqual([
      "0",
      "0",
      "3",
      "0",
      "-",
      "rate: 1000",
      "failure: RETRY",
    ]);
  });

  it("shows one method, or one channel, for programs", async () => {
    server.policies.set(ECHO, { concurrency: 64, queueDeadlineMs: 2_000 });
    expect(await policy(ECHO, "--json")).toBe(0);
    expect(JSON.parse(out)).toEqual([
      { method: ECHO, server: { concurrency: 64, queueDeadline: "2s" }, stats: expect.objectContaining({ limit: 64 }) },
      { method: ECHO, channel: "self", client: { rate: 1_000, failure: "RETRY" }, stats: expect.anything() },
    ]);
    expect(await policy("--channel", "self", "--json")).toBe(0);
    expect(JSON.parse(out)).toHaveLength(1);
    expect(await policy("--channel", "other")).toBe(1);
    expect(errors).toBe('error: no channel "other" has methods\n');
  });

  it("changes fields, in either writing, and leaves the others", async () => {
    server.policies.set(ECHO, { queue: 9, rate: 50 });
    const sets = ["server.concurrency=64", "server.queueDeadline=1s", "server.limiter=adaptive"];
    expect(await policy(ECHO, ...sets.flatMap((set) => ["--set", set]), "--unset", "server.rate")).toBe(0);
    expect(server.policies.get(ECHO)).toEqual({
      queue: 9,
      concurrency: 64,
      queueDeadlineMs: 1_000,
      limiter: "adaptive",
    });
    expect(out).toBe(
      `${ECHO}\n  was  queue: 9  rate: 50\n  is   concurrency: 64  limiter: ADAPTIVE  queue: 9  queue_deadline: "1s"\n`,
    );
    expect(await policy(ECHO, "--unset", "server.limiter", "--json")).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      before: { server: { limiter: "ADAPTIVE" } },
      after: { method: ECHO, server: { concurrency: 64, queue: 9, queueDeadline: "1s" } },
    });
  });

  it("changes what a channel does", async () => {
    const sets = ["client.retry.codes=UNAVAILABLE,aborted", "client.retry.max_backoff=50ms", "client.throttle=true"];
    expect(await policy(ECHO, "--channel", "self", ...sets.flatMap((set) => ["--set", set]))).toBe(0);
    expect(channel.policies.get(ECHO)).toEqual({
      rate: 1_000,
      failure: "retry",
      retry: { codes: [Code.UNAVAILABLE, Code.ABORTED], maxBackoffMs: 50 },
      throttle: true,
    });
    expect(out).toContain('retry: { max_backoff: "50ms"  codes: [UNAVAILABLE, ABORTED] }  throttle: true');
  });

  it("exits with 1 for what makes no sense or is not there, and changes nothing", async () => {
    expect(await policy(ECHO, "--set", "server.burst=5")).toBe(1);
    expect(errors).toBe(
      `error: ${ECHO}: server.burst: burst is for rate, which is not said: write rate, or leave burst out\n`,
    );
    expect(await policy("a.B/C", "--set", "server.burst=5")).toBe(1);
    expect(errors).toContain("a.B/C: no such method is served here");
    expect(await policy("a.B/C")).toBe(1);
    expect(await policy(ECHO, "--channel", "other", "--set", "client.rate=5")).toBe(1);
    expect(errors).toContain('no channel "other" here: there are self');
    expect(server.policies.get(ECHO)).toEqual({});
  });

  it.each([
    [[], "name the address of a process"],
    [["nonsense"], 'not an address: "tcp://nonsense"'],
    [["HERE", ECHO, "more"], '"more" is one too many'],
    [["HERE", "--set", "server.rate=5"], "name the method to change"],
    [["HERE", ECHO, "--set", "server.rate"], "expected a field and its value, such as server.concurrency=64"],
    [["HERE", ECHO, "--set", "rate=5"], 'expected a field such as server.concurrency or client.rate, found "rate"'],
    [["HERE", ECHO, "--set", "server.speed=5"], 'server has no field "speed": its fields are concurrency'],
    [["HERE", ECHO, "--set", "server.rate=many"], 'server.rate: rate is from 1 to 16777216; "many" is not'],
    [
      ["HERE", ECHO, "--set", "server.rate=0"],
      "server.rate: rate is from 1 to 16777216; 0 is not: for no limit, leave it out",
    ],
    [["HERE", ECHO, "--set", "server.queue_deadline=20"], 'expected a duration such as "500ms"'],
    [["HERE", ECHO, "--set", "server.overflow=QUEUE"], 'overflow is REJECT, LOG; "queue" is not'],
    [["HERE", ECHO, "--set", "server.batch=on"], "server.batch: it has fields, such as batch.max_size: set those"],
    [["HERE", ECHO, "--set", "client.retry.codes=SAD"], '"SAD" is no status code'],
    [["HERE", ECHO, "--set", "client.throttle=yes"], 'throttle is true or false; "yes" is not'],
    [["HERE", ECHO, "--set", "client.rate=5"], "name it with --channel"],
    [["HERE", ECHO, "--channel", "self", "--set", "server.rate=5"], "leave --channel out"],
    [["HERE", ECHO, "--set", "server.rate=5", "--set", "client.rate=5"], "are changed by commands of their own"],
    [["HERE", ECHO, "--set", "server.rate=5", "--unset", "server.rate"], "server.rate is set twice"],
    [["HERE", "--nonsense"], "Unknown option '--nonsense'"],
  ])("%o is wrong usage", async (args, text) => {
    const failed = await policyCommand(args.map((arg) => (arg === "HERE" ? address : arg))).catch((error) => error);
    expect(failed).toBeInstanceOf(UsageError);
    expect((failed as Error).message).toContain(text);
    expect((failed as Error).message).toMatch(/^policy: /);
  });

  it("explains itself", async () => {
    expect(await policyCommand(["--help"])).toBe(0);
    expect(out).toContain("--set <field>=<value>");
  });
});

describe("a process that does not answer", () => {
  it("is one that serves no admin service, or none that listens", async () => {
    await expect(policy()).rejects.toThrow("serves no admin service; its program has to: serveAdmin(server)");
    await server.close();
    const failed = await policy().catch((error) => error);
    expect(failed).toBeInstanceOf(UsageError);
    expect((failed as Error).message).toContain("ECONNREFUSED");
  });
});

describe("sluice stats", () => {
  beforeEach(() => serveAdmin(server));

  it("shows what was counted since the start", async () => {
    const echo = new EchoClient(channel);
    await echo.echo({});
    await echo.fail({}).catch(() => {});
    expect(await statsCommand([address])).toBe(0);
    expect(out).toContain("2 connections, ");
    expect(out).toContain("calls since the start; times in ms");
    const cells = out.split("\n").map((line) => line.split(/ {2,}/));
    expect(cells.find(([name]) => name === ECHO)?.slice(1, 7)).toEqual(["0/65536", "0", "1", "1", "0", "-"]);
    expect(cells.find(([name]) => name === Echo.methods.fail.path)?.slice(1, 7)).toEqual([
      "0/65536",
      "0",
      "1",
      "0",
      "1",
      "-",
    ]);
  });

  it("shows rates until it is interrupted", async () => {
    const controller = new AbortController();
    const watching = statsCommand([address, "--watch", "--interval", "100ms"], controller.signal);
    await vi.waitFor(() => expect(out.match(/calls a second/g)?.length).toBeGreaterThan(1), { timeout: 10_000 });
    controller.abort();
    expect(await watching).toBe(0);
    expect(out.match(/calls since the start/g)).toHaveLength(1);
  });

  it("writes an object a line for programs, and ends when the server drains", async () => {
    const watching = statsCommand([address, "--watch", "--json"], new AbortController().signal);
    await vi.waitFor(() => expect(out).toContain("\n"), { timeout: 10_000 });
    await Promise.all([server.close({ graceMs: 5_000 }), watching]);
    expect(await watching).toBe(0);
    expect(errors).toBe("the server drains\n");
    expect(JSON.parse(out.split("\n")[0] as string)).toMatchObject({ server: { connections: 2 } });
  });

  it("shows the last refusals", async () => {
    server.policies.set(ECHO, { queue: 0, rate: 1, burst: 1 });
    channel.policies.set(ECHO, {});
    await channel.ready();
    const echo = new EchoClient(channel);
    await Promise.allSettled([echo.echo({}), echo.echo({})]);
    expect(await statsCommand([address, "--refusals"])).toBe(0);
    const [head, line] = out.split("\n");
    expect(head).toMatch(/^ *AGO +METHOD +CALLER +REASON$/);
    expect(line).toMatch(
      /^\d+\.\d s +support\.v1\.Echo\/Echo +127\.0\.0\.1:\d+ +the method takes 1 calls a second; retry/,
    );
    out = "";
    expect(await statsCommand([address, "--refusals", "--json"])).toBe(0);
    expect(JSON.parse(out)).toEqual([expect.objectContaining({ method: ECHO })]);
  });

  it.each([
    [[], "name the address of a process"],
    [["HERE", "--refusals", "--watch"], "leave it or --refusals out"],
    [["HERE", "THERE"], '"THERE" is one too many'],
    [["HERE", "--interval", "1s"], "--interval is for --watch"],
  ])("%o is wrong usage", async (args, text) => {
    await expect(statsCommand(args.map((arg) => (arg === "HERE" ? address : arg)))).rejects.toThrow(text);
  });

  it("exits with 1 for an interval that cannot be", async () => {
    expect(await statsCommand([address, "--watch", "--interval", "1ms"])).toBe(1);
    expect(errors).toContain("interval is from 100 to 3600000 ms; 1 ms is not");
  });
});
