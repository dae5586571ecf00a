// Health and reflection over connections: streams that tell, end, and hold nothing up.

import { expect, it } from "vitest";
import { Code } from "../../src/index.js";
import {
  Health,
  HealthClient,
  HealthCheckResponse_ServingStatus as Status,
  serveHealth,
} from "../../src/standard/health.js";
import { ServerReflection, ServerReflectionClient, serveReflection } from "../../src/standard/reflection.js";
import { Echo } from "../support/gen/support/v1/echo.js";
import { failure, useRig } from "../support/rig.js";

const rig = useRig();
const status = (value: Status): object => ({ done: false, value: { status: value } });
const END = { done: true, value: undefined };

it("a watcher is told of changes until it gives up, and the server is rid of it", async () => {
  const server = await rig.current.serve();
  const health = serveHealth(server);
  const watch = new HealthClient(rig.current.connect()).watch({ service: Echo.typeName });
  expect(await rig.current.now(watch.next())).toEqual(status(Status.SERVING));
  const next = watch.next();
  await rig.current.clock.advance(1_000_000);
  health.set(Echo, "not-serving");
  expect(await rig.current.now(next)).toEqual(status(Status.NOT_SERVING));
  expect(server.stats().running).toBe(1);
  watch.cancel();
  await rig.current.clock.advance(0);
  expect(server.stats().running).toBe(0);
  health.set(Echo, "serving");
});

it("Check and List answer over a connection", async () => {
  serveHealth(await rig.current.serve());
  const client = new HealthClient(rig.current.connect());
  expect(await rig.current.now(client.check({}))).toEqual({ status: Status.SERVING });
  expect(await rig.current.now(failure(client.check({ service: "x.Y" })))).toMatchObject({ code: Code.NOT_FOUND });
  const { statuses } = await rig.current.now(client.list({}));
  expect(Object.keys(statuses).sort()).toEqual(["", Health.typeName, Echo.typeName]);
});

it("a drain tells watchers, ends their calls, and does not wait for its grace period", async () => {
  const server = await rig.current.serve();
  serveHealth(server);
  const client = new HealthClient(rig.current.connect());
  const watches = [client.watch({}), client.watch({ service: Echo.typeName }), client.watch({ service: "x.Y" })];
  await rig.current.now(Promise.all(watches.map((watch) => watch.next())));
  const closing = server.close({ graceMs: 60_000 });
  const next = (): Promise<object[]> => rig.current.now(Promise.all(watches.map((watch) => watch.next())));
  expect(await next()).toEqual([status(Status.NOT_SERVING), status(Status.NOT_SERVING), END]);
  expect(await next()).toEqual([END, END, END]);
  await rig.current.now(closing);
});

it("a watcher that is cut off leaves nothing at the server", async () => {
  const server = await rig.current.serve();
  const health = serveHealth(server);
  const channel = rig.current.connect();
  const watch = new HealthClient(channel).watch({});
  await rig.current.now(watch.next());
  const next = failure(watch.next());
  await rig.current.after(10_000, channel.close({ graceMs: 0 }));
  expect(await next).toMatchObject({ code: Code.UNAVAILABLE });
  expect(server.stats().running).toBe(0);
  health.set("", "not-serving");
});

it("reflection answers one question after the other on a stream", async () => {
  serveReflection(await rig.current.serve(), []);
  const call = new ServerReflectionClient(rig.current.connect()).serverReflectionInfo();
  const ask = async (messageRequest: { case: "listServices" | "fileContainingSymbol"; value: string }) => {
    await rig.current.now(call.send({ messageRequest }));
    const { value } = await rig.current.now(call.next());
    return value?.messageResponse;
  };
  expect(await ask({ case: "listServices", value: "" })).toMatchObject({
    value: { service: [{ name: ServerReflection.typeName }, {}, { name: Echo.typeName }] },
  });
  expect(await ask({ case: "fileContainingSymbol", value: ServerReflection.typeName })).toMatchObject({
    case: "fileDescriptorResponse",
    value: { fileDescriptorProto: [expect.any(Uint8Array)] },
  });
  expect(await ask({ case: "fileContainingSymbol", value: Echo.typeName })).toMatchObject({
    case: "errorResponse",
    value: { errorCode: Code.NOT_FOUND },
  });
  await rig.current.now(call.close());
  expect(await rig.current.now(call.next())).toEqual(END);
});
