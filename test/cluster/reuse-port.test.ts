// `reusePort`: several servers listen on one port by themselves where Node can do that, and elsewhere it is said.

import { platform } from "node:os";
import { afterEach, expect, it } from "vitest";
import { Code, createServer, type Server } from "../../src/index.js";
import { failure } from "../support/rig.js";

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
const isKnown = major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12);
const servers: Server[] = [];

function listen(address: string): Promise<string> {
  const server = createServer();
  servers.push(server);
  return server.listen(address, { reusePort: true });
}

afterEach(() => Promise.all(servers.splice(0).map((server) => server.close())));

it.runIf(isKnown && platform() === "linux")("lets several servers listen on one port", async () => {
  const address = await listen("tcp://127.0.0.1:0");
  expect(await listen(address)).toBe(address);
});

it.skipIf(isKnown)("is refused by name where Node does not know it, before it would be ignored", async () => {
  expect(await failure(listen("tcp://127.0.0.1:0"))).toMatchObject({
    code: Code.UNAVAILABLE,
    retry: "never",
    message: expect.stringMatching(
      /^cannot listen on tcp:\/\/127\.0\.0\.1:0: reusePort needs Node 22\.12 or later .*this is \d+\.\d+\.\d+: .*sluice\/cluster/,
    ),
  });
});

it("is for TCP", async () => {
  expect((await failure(listen("unix:/tmp/sluice-reuse-port"))).message).toBe(
    "cannot listen on unix:/tmp/sluice-reuse-port: reusePort is for TCP ports: leave it out",
  );
});
