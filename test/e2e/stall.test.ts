// A dependency stalls, again and again, while calls keep coming: what waits stays within its bounds, retries do not bury the
// server, every call ends, and afterwards all is as it was, the memory too. `npm run test:faults` runs it whole.

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { afterEach, beforeAll, expect, it } from "vitest";
import { Child } from "../../bench/lib/child.js";
import { compilePrograms } from "../support/child-process.js";
import { type ClientReport, type FromProcess, POLICY, type ServerReport } from "./stall-work.js";

const SHORT = { stallMs: 1_000, stalls: 2, gapMs: 300, restMs: 2_000, connections: 100, perSecond: 3_000 };
const WHOLE = { stallMs: 10_000, stalls: 5, gapMs: 5_000, restMs: 60_000, connections: 1_000, perSecond: 10_000 };
const isWhole = process.env.STALL === "whole";
const { stallMs, stalls, gapMs, restMs, connections, perSecond } = isWhole ? WHOLE : SHORT;

const REPORT_MS = 10_000;
/** How long a call may outlive its deadline on a machine that is busy with other things, in milliseconds. */
const LATEST_MS = 5_000;
const TOTAL_MS = stalls * (stallMs + gapMs + 10_000) + 2 * restMs + 60_000;

type Server = Child<FromProcess<ServerReport>>;
type Client = Child<FromProcess<ClientReport>>;

const children: Child<never>[] = [];
let programs = "";

function start<Report extends { type: "report" }>(
  name: string,
  core: number,
  ...args: unknown[]
): Child<FromProcess<Report>> {
  const module = pathToFileURL(join(programs, "test/e2e", `${name}.js`));
  const child = Child.start<FromProcess<Report>>(module, args.map(String), core, ["--expose-gc"]);
  children.push(child as Child<never>);
  return child;
}

beforeAll(() => {
  programs = compilePrograms("stall", import.meta.dirname);
}, 60_000);
afterEach(async () => {
  await Promise.all(children.splice(0).map((child) => child.stop(5_000)));
});

interface Reporter<Report> {
  send(message: { readonly type: string }): void;
  receive(type: "report", timeoutMs: number): Promise<Report>;
}

async function ask<Report>(child: Reporter<Report>): Promise<Report> {
  child.send({ type: "report" });
  return await child.receive("report", REPORT_MS);
}

/** Resolves when the client's calls succeed again: as many as are due in a fifth of a second, and none fails. */
async function untilNormal(client: Client): Promise<void> {
  const failures = ({ failed }: ClientReport): number => Object.values(failed).reduce((sum, count) => sum + count, 0);
  for (let before = await ask<ClientReport>(client); ; ) {
    await sleep(200);
    const after = await ask<ClientReport>(client);
    if (failures(after) === failures(before) && after.succeeded - before.succeeded >= perSecond / 10) return;
    before = after;
  }
}

/** Lets the load end and all that it has left be gone; the reports of then. */
async function rest(server: Server, client: Client, ms: number): Promise<readonly [ServerReport, ClientReport]> {
  client.send({ type: "stop" });
  await sleep(ms);
  return [await ask<ServerReport>(server), await ask<ClientReport>(client)];
}

it(
  `stays within its bounds and comes back when a dependency stalls ${stalls} times for ${stallMs} ms`,
  async () => {
    const server: Server = start<ServerReport>("stall-server", 0);
    const { address } = await server.receive("ready", 10_000);
    const client: Client = start<ClientReport>("stall-client", 1, address, connections, perSecond);
    await client.receive("ready", 30_000);

    client.send({ type: "load" });
    await untilNormal(client);
    await sleep(gapMs);
    const [server0, client0] = await rest(server, client, Math.min(restMs, 2_000));
    expect(client0.pending).toBe(0);

    const startedAt = performance.now();
    client.send({ type: "load" });
    for (let stall = 0; stall < stalls; stall++) {
      server.send({ type: "stall" });
      await sleep(stallMs);
      server.send({ type: "flow" });
      await untilNormal(client);
      await sleep(gapMs);
    }
    const seconds = (performance.now() - startedAt) / 1000;
    const [server1, client1] = await rest(server, client, restMs);

    expect(server1).toMatchObject({ connections, running: 0, waiting: 0, expiredStarted: 0 });
    expect(server1.mostRunning).toBe(POLICY.concurrency);
    expect(server1.mostWaiting).toBeGreaterThan(0);
    expect(server1.mostWaiting).toBeLessThanOrEqual(POLICY.queue);
    expect(server1.refused).toBeGreaterThan(0);

    const { calls, succeeded, failed, pending, attempts } = client1;
    expect(pending).toBe(0);
    expect(client1.latestMs).toBeLessThan(LATEST_MS);
    expect(Object.keys(failed).filter((how) => how !== "RESOURCE_EXHAUSTED" && how !== "DEADLINE_EXCEEDED")).toEqual(
      [],
    );
    expect(Object.values(failed).reduce((sum, count) => sum + count, succeeded)).toBe(calls);
    const made = calls - client0.calls;
    // A client has ten retries a second, in any ten seconds, whatever it calls; the whole test wants that of all together.
    const reserve = isWhole ? 10 * seconds : connections * Math.max(100, 10 * seconds);
    expect(attempts - client0.attempts).toBeLessThanOrEqual(1.2 * made + reserve);

    const most = (before: number): number => 1.1 * before + 8e6;
    expect(server1.heapBytes).toBeLessThanOrEqual(most(server0.heapBytes));
    expect(client1.heapBytes).toBeLessThanOrEqual(most(client0.heapBytes));
  },
  TOTAL_MS,
);
