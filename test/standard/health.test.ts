// gRPC's health service: what Check, List and Watch answer, and that watchers leave nothing behind.

import { getEventListeners } from "node:events";
import { beforeEach, describe, expect, it } from "vitest";
import { type CallContext, Code } from "../../src/index.js";
import {
  Health,
  type HealthCheckResponseInit,
  type HealthHandlers,
  type ServerHealth,
  HealthCheckResponse_ServingStatus as Status,
  serveHealth,
} from "../../src/standard/health.js";
import { Echo, Other } from "../support/gen/support/v1/echo.js";
import { Host } from "./host.js";

const { SERVING, NOT_SERVING, SERVICE_UNKNOWN } = Status;
const OVERALL = "";
const ECHO = Echo.typeName;

let host: Host;
let health: ServerHealth;
let handlers: HealthHandlers;
let controller: AbortController;

beforeEach(() => {
  host = new Host();
  host.handle(Echo, {} as never);
  health = serveHealth(host.server, { maxWatchers: 3 });
  handlers = host.handlers(Health);
  controller = new AbortController();
});

const context = (): CallContext => ({ signal: controller.signal }) as CallContext;
const check = (service: string): unknown => (handlers.check({ service }, context()) as HealthCheckResponseInit).status;

/** A watch call: `next` is the next status, undefined if none comes in this turn, "end" after the last. */
function watch(service: string): { next(): Promise<unknown>; return(): Promise<unknown> } {
  const iterator = (handlers.watch({ service }, context()) as AsyncGenerator<HealthCheckResponseInit>)[
    Symbol.asyncIterator
  ]();
  let pending: Promise<unknown> | undefined;
  const next = async (): Promise<unknown> => {
    pending ??= iterator.next().then(({ done, value }) => (done === true ? "end" : value.status));
    const settled = await Promise.race([pending, new Promise((resolve) => setImmediate(resolve))]);
    if (settled !== undefined) pending = undefined;
    return settled;
  };
  return { next, return: () => iterator.return(undefined) };
}

describe("Check", () => {
  it("finds the whole server serving, and every service that it serves", () => {
    expect([OVERALL, ECHO, Health.typeName].map(check)).toEqual([SERVING, SERVING, SERVING]);
    host.handle(Other, {} as never);
    expect(check(Other.typeName)).toBe(SERVING);
  });

  it("does not find a service that is not served, unless its status was set", () => {
    expect(() => check("else.v1.Where")).toThrow(expect.objectContaining({ code: Code.NOT_FOUND }));
    health.set("else.v1.Where", "not-serving");
    expect(check("else.v1.Where")).toBe(NOT_SERVING);
  });

  it("tells what was set: of a service by its name or descriptor, and of the whole server for all others", () => {
    health.set(Echo, "not-serving");
    expect([OVERALL, ECHO, Health.typeName].map(check)).toEqual([SERVING, NOT_SERVING, SERVING]);
    health.set(OVERALL, "not-serving");
    health.set(ECHO, "serving");
    expect([OVERALL, ECHO, Health.typeName].map(check)).toEqual([NOT_SERVING, SERVING, NOT_SERVING]);
  });

  it("finds nothing serving once the server drains, whatever is set", () => {
    host.emit("drain");
    health.set(ECHO, "serving");
    expect([OVERALL, ECHO].map(check)).toEqual([NOT_SERVING, NOT_SERVING]);
    expect(() => check("else.v1.Where")).toThrow(expect.objectContaining({ code: Code.NOT_FOUND }));
  });
});

describe("List", () => {
  it("has every service, and the whole server", () => {
    health.set(ECHO, "not-serving");
    health.set("__proto__", "serving");
    expect(handlers.list({}, context())).toEqual({
      statuses: {
        "": { status: SERVING },
        [ECHO]: { status: NOT_SERVING },
        [Health.typeName]: { status: SERVING },
        ["__proto__"]: { status: SERVING },
      },
    });
  });

  it("is refused beyond a hundred services, as the protocol has it", () => {
    for (let count = 0; count < 97; count++) health.set(`x.Y${count}`, "serving");
    expect(handlers.list({}, context())).toBeDefined();
    health.set("x.Y", "serving");
    expect(() => handlers.list({}, context())).toThrow(expect.objectContaining({ code: Code.RESOURCE_EXHAUSTED }));
  });
});

describe("Watch", () => {
  it("tells the status at once, and then every change of it", async () => {
    const watcher = watch(ECHO);
    expect(await watcher.next()).toBe(SERVING);
    expect(await watcher.next()).toBeUndefined();
    health.set(ECHO, "not-serving");
    expect(await watcher.next()).toBe(NOT_SERVING);
    health.set(ECHO, "not-serving");
    health.set("else.v1.Where", "serving");
    expect(await watcher.next()).toBeUndefined();
    health.set(ECHO, "serving");
    expect(await watcher.next()).toBe(SERVING);
  });

  it("owes a slow watcher the latest status and no other", async () => {
    const watcher = watch(ECHO);
    expect(await watcher.next()).toBe(SERVING);
    for (const state of ["not-serving", "serving", "not-serving"] as const) health.set(ECHO, state);
    expect(await watcher.next()).toBe(NOT_SERVING);
    expect(await watcher.next()).toBeUndefined();
    health.set(ECHO, "serving");
    health.set(ECHO, "not-serving");
    expect(await watcher.next()).toBeUndefined();
  });

  it("tells of an unknown service, and goes on until it is known", async () => {
    const watcher = watch("else.v1.Where");
    expect(await watcher.next()).toBe(SERVICE_UNKNOWN);
    expect(await watcher.next()).toBeUndefined();
    health.set("else.v1.Where", "serving");
    expect(await watcher.next()).toBe(SERVING);
  });

  it("tells of a drain and ends, when it waits, when it is slow, and when it begins later", async () => {
    const [waiting, slow, unknown] = [watch(ECHO), watch(OVERALL), watch("else.v1.Where")];
    for (const watcher of [waiting, slow, unknown]) await watcher.next();
    expect(await waiting.next()).toBeUndefined();
    host.emit("drain");
    expect([await waiting.next(), await waiting.next()]).toEqual([NOT_SERVING, "end"]);
    expect([await slow.next(), await slow.next()]).toEqual([NOT_SERVING, "end"]);
    expect(await unknown.next()).toBe("end");
    const late = watch(ECHO);
    expect([await late.next(), await late.next()]).toEqual([NOT_SERVING, "end"]);
  });

  it("ends with its call and leaves nothing behind", async () => {
    const watcher = watch(ECHO);
    expect(await watcher.next()).toBe(SERVING);
    expect(await watcher.next()).toBeUndefined();
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(1);
    for (const state of ["not-serving", "serving"] as const) {
      health.set(ECHO, state);
      expect(await watcher.next()).toBeDefined();
      expect(await watcher.next()).toBeUndefined();
      expect(getEventListeners(controller.signal, "abort")).toHaveLength(1);
    }
    controller.abort();
    expect(await watcher.next()).toBe("end");
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(0);
    expect(await watch(ECHO).next()).toBe("end");
  });

  it("is limited in number, and a place is free again when a call has ended", async () => {
    const watchers = [watch(ECHO), watch(ECHO), watch(ECHO)];
    for (const watcher of watchers) expect(await watcher.next()).toBe(SERVING);
    await expect(watch(ECHO).next()).rejects.toMatchObject({
      code: Code.RESOURCE_EXHAUSTED,
      message: "3 calls watch health here, the limit",
    });
    await watchers[1]?.return();
    expect(await watch(ECHO).next()).toBe(SERVING);
  });
});

it("refuses what is no state, and a limit that cannot be", () => {
  expect(() => health.set(ECHO, "SERVING" as never)).toThrow('"serving" or "not-serving", not "SERVING"');
  expect(() => serveHealth(new Host().server, { maxWatchers: 0 })).toThrow("maxWatchers: 0 is not between 1 and 65536");
});
