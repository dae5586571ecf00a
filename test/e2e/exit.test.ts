// A call keeps its process up until it has settled, whatever the state of the connection; a closed channel does not.

import { spawnSync } from "node:child_process";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";

const library = pathToFileURL(resolve(import.meta.dirname, "../../dist/index.js"));

/** Runs a program against a port that nobody listens on; `echo` is a method without content. */
async function run(program: string): Promise<{ output: string; status: number | null }> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((listening) => server.once("listening", listening));
  const { port } = server.address() as AddressInfo;
  await new Promise((closed) => server.close(closed));
  const source = `import { Code, codeName, connect, MessageType, Method } from "${library}";
    const type = new MessageType("x.Empty", () => {}, () => ({}));
    const echo = new Method("x.Echo", { name: "Echo", localName: "echo", input: type, output: type });
    const channel = connect("tcp://127.0.0.1:${port}", { initialBackoffMs: 60_000, maxBackoffMs: 60_000, random: () => 0.9 });
    ${program}`;
  const { stdout, stderr, status } = spawnSync(process.execPath, ["--input-type=module", "-e", source], {
    encoding: "utf8",
    timeout: 15_000,
  });
  return { output: stdout + stderr, status };
}

test("a call that begins while the channel waits for its next attempt ends by its deadline", async () => {
  const { output, status } = await run(`
    const failed = setInterval(() => {
      if (channel.state !== "backoff") return;
      clearInterval(failed);
      channel.unary(echo, {}, { timeoutMs: 300 }).catch((error) => {
        console.log(codeName(error.code));
        return channel.close();
      });
    }, 5);`);
  expect({ output, status }).toEqual({ output: "DEADLINE_EXCEEDED\n", status: 0 });
});

test("a closed channel lets the process end", async () => {
  const { output, status } = await run(`await channel.close(); console.log("closed");`);
  expect({ output, status }).toEqual({ output: "closed\n", status: 0 });
});
