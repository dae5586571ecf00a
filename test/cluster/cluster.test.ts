// `sluice/cluster` with real processes: who gets connections, what a killed, stopped or restarted worker costs, and the admin
// service of all together.

import { rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { Code } from "../../src/index.js";
import { AdminClient } from "../../src/ops/admin.js";
import { Echo, EchoClient } from "../support/gen/support/v1/echo.js";
import { failure } from "../support/rig.js";
import { until, useTracker } from "../support/tracker.js";
import { ClusterChild, compileProgram, isAlive } from "./cluster-child.js";

// Hooks run last to first: the processes are ended before the channels are closed and what is left is counted.
const tracker = useTracker();
const clusters: ClusterChild[] = [];
const obstacle = join(tmpdir(), `sluice-cluster-${process.pid}`);
const ECHO = Echo.methods.echo.path;
const NOTE = Echo.methods.note.path;

async function start(...args: Parameters<typeof ClusterChild.start>): Promise<ClusterChild> {
  const cluster = await ClusterChild.start(...args);
  clusters.push(cluster);
  return cluster;
}

interface Caller {
  readonly echo: EchoClient;
  readonly pid: number;
}

/** A channel with one connection, and the process that it got. */
async function call(cluster: ClusterChild): Promise<Caller> {
  const echo = new EchoClient(tracker.current.connect(cluster.address));
  return { echo, pid: Number((await echo.echo({})).id) };
}

function callers(cluster: ClusterChild, count: number): Promise<Caller[]> {
  return Promise.all(Array.from({ length: count }, () => call(cluster)));
}

function pidsOf(found: readonly Caller[]): number[] {
  return [...new Set(found.map(({ pid }) => pid))];
}

function adminOf(cluster: ClusterChild): AdminClient {
  return new AdminClient(tracker.current.connect(cluster.admin));
}

/** Resolves when so many handlers run: a call that a draining server has not read yet goes elsewhere. */
async function running(cluster: ClusterChild, count: number): Promise<void> {
  const admin = adminOf(cluster);
  await expect.poll(async () => (await admin.getStats({})).server?.running, { interval: 10 }).toBe(count);
}

beforeAll(compileProgram, 60_000);
afterEach(async () => {
  rmSync(obstacle, { force: true });
  await Promise.all(clusters.splice(0).map((cluster) => cluster.kill()));
});

describe("the workers", () => {
  it("share the port: each gets connections; one that is killed fails its calls only, and is replaced", async () => {
    const cluster = await start({ processes: 3 });
    const found = await callers(cluster, 12);
    const [victim = 0, ...others] = pidsOf(found);
    expect(others).toHaveLength(2);
    const lost = found.filter(({ pid }) => pid === victim).map(({ echo }) => failure(echo.hold({ id: 60_000n })));
    const kept = found.filter(({ pid }) => pid !== victim).map(({ echo }) => echo.hold({ id: 300n }));
    await running(cluster, found.length);
    const before = await adminOf(cluster).getStats({});
    process.kill(victim, "SIGKILL");
    for (const error of await Promise.all(lost))
      expect(error).toMatchObject({ code: Code.UNAVAILABLE, retry: "unsafe" });
    expect(await Promise.all(kept)).toHaveLength(kept.length);
    await cluster.until("it is replaced", ({ type }) => type === "ready");
    expect(cluster.reports).toContainEqual({ type: "exit", pid: victim, how: "SIGKILL" });
    expect(pidsOf(await callers(cluster, 12))).toHaveLength(3);
    // What the one that was killed had counted stays.
    const after = await adminOf(cluster).getStats({});
    expect(after.server?.callsServed).toBeGreaterThanOrEqual((before.server?.callsServed ?? 0) + 12);
    expect(before.server?.connections).toBe(12);
  });

  it("drain on SIGTERM of the primary process, and all end", async () => {
    const cluster = await start({ graceMs: 5_000 });
    const found = await callers(cluster, 4);
    const held = found.map(({ echo }) => echo.hold({ id: 300n }));
    await running(cluster, found.length);
    cluster.signal("SIGTERM");
    expect((await Promise.all(held)).map(({ id }) => Number(id))).toEqual(found.map(({ pid }) => pid));
    expect(await cluster.ended()).toBe(0);
    expect(pidsOf(found).filter(isAlive)).toEqual([]);
    expect(cluster.errors).toBe("");
    const late = new EchoClient(tracker.current.connect(cluster.address));
    expect(await failure(late.echo({}, { timeoutMs: 100 }))).toMatchObject({ code: Code.DEADLINE_EXCEEDED });
  });

  it("have their grace and no more: calls that last are cancelled", async () => {
    const cluster = await start({ graceMs: 50 });
    const { echo } = await call(cluster);
    const held = failure(echo.hold({ id: 60_000n }));
    await running(cluster, 1);
    cluster.signal("SIGTERM");
    expect(await held).toMatchObject({ code: Code.UNAVAILABLE, message: expect.stringContaining("shutting down") });
    expect(await cluster.ended()).toBe(0);
  });

  it("are drained and replaced one by one when SIGTERM is sent to them", async () => {
    const cluster = await start({});
    const { echo, pid } = await call(cluster);
    const held = echo.hold({ id: 200n });
    await running(cluster, 1);
    process.kill(pid, "SIGTERM");
    expect(Number((await held).id)).toBe(pid);
    await cluster.until("it is replaced", ({ type }) => type === "ready");
    expect(cluster.reports).toContainEqual({ type: "exit", pid, how: "code 0" });
  });

  it("end with a primary process that is killed, and what it leaves is in nobody's way", async () => {
    const listen = `unix:${join(tmpdir(), `sluice-cluster-${process.pid}.sock`)}`;
    const cluster = await start({ listen });
    const pids = pidsOf(await callers(cluster, 4));
    expect(pids).toHaveLength(2);
    cluster.signal("SIGKILL");
    await until("the workers are gone", () => !pids.some(isAlive), 5_000);
    const next = await start({ listen });
    expect(pidsOf(await callers(next, 4))).toHaveLength(2);
    next.signal("SIGTERM");
    expect(await next.ended()).toBe(0);
  });
});

describe("SIGHUP", () => {
  it("replaces all workers, and no call fails", async () => {
    const cluster = await start({});
    const found = await callers(cluster, 4);
    const old = pidsOf(found);
    let isOver = false;
    let calls = 0;
    const working = found.map(async ({ echo }) => {
      for (; !isOver; calls++) await echo.hold({ id: 2n });
    });
    cluster.signal("SIGHUP");
    await cluster.until("the old ones are gone", ({ type }) => type === "exit", 2);
    isOver = true;
    await Promise.all(working);
    expect(calls).toBeGreaterThan(0);
    expect(cluster.reports.filter(({ type }) => type === "exit")).toEqual(
      expect.arrayContaining(old.map((pid) => ({ type: "exit", pid, how: "code 0" }))),
    );
    const renewed = pidsOf(await callers(cluster, 4));
    expect(renewed.filter((pid) => old.includes(pid))).toEqual([]);
    expect(renewed).toHaveLength(2);
  });

  it("leaves the old workers where new ones cannot serve", async () => {
    const cluster = await start({}, obstacle);
    const old = pidsOf(await callers(cluster, 4));
    writeFileSync(obstacle, "");
    cluster.signal("SIGHUP");
    await cluster.until("a new one has ended", ({ type }) => type === "exit");
    expect(pidsOf(await callers(cluster, 4)).sort()).toEqual(old.sort());
    expect(cluster.errors).toContain(`there is ${obstacle}`);
  });
});

it("a program whose first worker cannot serve is told why, and ends", async () => {
  writeFileSync(obstacle, "");
  const cluster = new ClusterChild({ processes: 4 }, obstacle);
  clusters.push(cluster);
  expect(await cluster.ended()).toBe(1);
  expect(cluster.reports).toEqual([{ type: "failed", text: `there is ${obstacle}` }]);
  expect(cluster.errors.match(/Error: there is/g)).toHaveLength(1);
});

describe("the admin service", () => {
  it("adds up what all workers have counted, and shows it again and again", async () => {
    const cluster = await start({});
    const found = await callers(cluster, 4);
    for (const { echo } of found) await failure(echo.fail({}));
    const admin = adminOf(cluster);
    const { server, methods } = await admin.getStats({});
    expect(server).toMatchObject({ connections: 4, connectionsOpened: 4, callsServed: 8 });
    const fail = methods.find(({ method }) => method === Echo.methods.fail.path)?.stats;
    expect(fail).toMatchObject({ started: 4, failed: 4, errors: [{ code: "UNKNOWN", count: 4 }], limit: 131_072 });
    const listed = await admin.getPolicies({ method: ECHO });
    expect(listed.methods).toMatchObject([{ method: ECHO, channel: "", stats: { started: 4, succeeded: 4 } }]);
    expect(await failure(admin.getPolicies({ method: "no.such/Method" }))).toMatchObject({ code: Code.NOT_FOUND });
    let readings = 0;
    for await (const stats of admin.watch({ interval: "100ms" })) {
      expect(stats.server?.callsServed).toBe(8);
      if (++readings === 2) break;
    }
  });

  it("changes a policy in all workers or, where it makes no sense, in none, and in those that start later", async () => {
    const cluster = await start({});
    const admin = adminOf(cluster);
    const set = (value: object, paths: string[]): Promise<unknown> =>
      admin.setPolicy({ method: ECHO, policy: { case: "server", value }, fields: { paths } });
    await set({ concurrency: 7 }, ["concurrency"]);
    expect(await failure(set({ burst: 9 }, ["burst"]))).toMatchObject({
      code: Code.INVALID_ARGUMENT,
      message: expect.stringContaining("server.burst: burst is for rate"),
    });
    await set({ queue: 5 }, ["queue"]);
    const holds = async ({ echo }: Caller): Promise<unknown> => JSON.parse((await echo.echo({})).text);
    const found = await callers(cluster, 4);
    for (const each of found) expect(await holds(each)).toEqual({ concurrency: 7, queue: 5 });
    const { methods } = await admin.getPolicies({ method: ECHO });
    expect(methods[0]?.stats?.limit).toBe(14);
    const [victim = 0] = pidsOf(found);
    process.kill(victim, "SIGKILL");
    await cluster.until("it is replaced", ({ type }) => type === "ready");
    for (const each of await callers(cluster, 4)) expect(await holds(each)).toEqual({ concurrency: 7, queue: 5 });
  });

  it("changes what a channel does in the workers that know the method, and in the others once they do", async () => {
    const cluster = await start({});
    const admin = adminOf(cluster);
    const change = { method: NOTE, channel: "self", policy: { case: "client", value: { rate: 5 } } } as const;
    expect(await failure(admin.setPolicy(change))).toMatchObject({ code: Code.NOT_FOUND });
    const [first, second] = await callers(cluster, 2);
    await first?.echo.echoSoon({});
    await admin.setPolicy(change);
    expect(JSON.parse((await first?.echo.echoSoon({}))?.text ?? "")).toEqual({ rate: 5 });
    expect(second?.pid).not.toBe(first?.pid);
    await expect
      .poll(async () => JSON.parse((await second?.echo.echoSoon({}))?.text ?? ""), { timeout: 5_000, interval: 100 })
      .toEqual({ rate: 5 });
  });
});
