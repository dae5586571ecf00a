// Clients and servers over real TCP and Unix sockets, and strangers that knock at the port.

import { once } from "node:events";
import { existsSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, describe, expect, it } from "vitest";
import { CloseReason, FrameType } from "../../src/codec/frame.js";
import { Status } from "../../src/codec/wire.js";
import { Code, type Mode, type Server, type ServerOptions } from "../../src/index.js";
import { Echo, EchoClient } from "../support/gen/support/v1/echo.js";
import { FrameReader } from "../support/peer.js";
import { failure } from "../support/rig.js";
import { until, useTracker } from "../support/tracker.js";

const tracker = useTracker();
const MODES: readonly Mode[] = ["pipelined", "pooled", "short"];
const folder = mkdtempSync(join(tmpdir(), "sluice-"));
afterAll(() => rmSync(folder, { recursive: true }));

function serve(options: ServerOptions = {}): Server {
  return tracker.current.createServer(options).handle(Echo, {
    echo: (request) => request,
    echoSoon: (request) => request,
    hold: (request) => delay(Number(request.id), request),
    fail: () => {
      throw new Error("secret");
    },
    note: () => ({}),
  });
}

const portOf = (address: string): number => Number(address.split(":").at(-1));

describe.each(MODES)("in the %s mode", (mode) => {
  it("calls one server over several addresses at once", async () => {
    const server = serve();
    const path = join(folder, `several-${mode}.sock`);
    const addresses = await Promise.all([
      server.listen("tcp://127.0.0.1:0"),
      server.listen("tcp://127.0.0.1:0"),
      server.listen(`unix:${path}`),
    ]);
    expect(new Set(addresses).size).toBe(3);
    for (const address of addresses) {
      const client = new EchoClient(tracker.current.connect(address, { mode }));
      const replies = await Promise.all(Array.from({ length: 200 }, (_, i) => client.echo({ id: BigInt(i) })));
      expect(replies.map(({ id }) => Number(id))).toEqual(Array.from({ length: 200 }, (_, i) => i));
    }
    await server.close();
    expect(existsSync(path)).toBe(false);
  });

  it("carries large messages both ways without the two sides waiting for each other", async () => {
    const server = serve();
    const client = new EchoClient(tracker.current.connect(await server.listen("tcp://127.0.0.1:0"), { mode }));
    const payload = new Uint8Array(1_000_000).map((_, i) => i);
    const replies = await Promise.all(Array.from({ length: 40 }, () => client.echo({ payload })));
    for (const reply of replies) expect(Buffer.compare(reply.payload, payload)).toBe(0);
  });
});

describe("listening", () => {
  it("replaces the socket file that a dead process left behind", async () => {
    const path = join(folder, "stale.sock");
    const dead = net.createServer().listen(`${path}.alive`);
    await once(dead, "listening");
    renameSync(`${path}.alive`, path);
    dead.close();
    expect(statSync(path).isSocket()).toBe(true);
    const server = serve();
    const client = new EchoClient(tracker.current.connect(await server.listen(`unix:${path}`)));
    await client.echo({});
  });

  it("refuses a socket file that someone listens on, and an address in use, by name", async () => {
    const path = join(folder, "live.sock");
    const first = serve();
    const second = serve();
    await first.listen(`unix:${path}`);
    await expect(second.listen(`unix:${path}`)).rejects.toThrow(`cannot listen on unix:${path}: listen EADDRINUSE`);
    const address = await first.listen("tcp://127.0.0.1:0");
    await expect(second.listen(address)).rejects.toThrow(`cannot listen on ${address}: listen EADDRINUSE`);
    await new EchoClient(tracker.current.connect(`unix:${path}`)).echo({});
  });

  it("does not delete a file that is no socket", async () => {
    const path = join(folder, "precious.txt");
    writeFileSync(path, "precious");
    await expect(serve().listen(`unix:${path}`)).rejects.toThrow(`cannot listen on unix:${path}`);
    expect(existsSync(path)).toBe(true);
  });

  it("names the address of a failed connection", async () => {
    const channel = tracker.current.connect("tcp://127.0.0.1:1");
    const error = await failure(channel.ready({ timeoutMs: 200 }));
    expect(error.message).toBe(
      "not ready within 200 ms: cannot connect to tcp://127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1",
    );
    const missing = tracker.current.connect(`unix:${folder}/missing.sock`);
    expect((await failure(missing.ready({ timeoutMs: 100 }))).message).toContain("missing.sock: connect ENOENT");
  });
});

/** Keeps the event loop from turning. */
function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

describe("an event loop that is blocked", () => {
  it("does not take time away from a call that is made after it, in the same tick", async () => {
    const client = new EchoClient(tracker.current.connect(await serve().listen("tcp://127.0.0.1:0")));
    await client.echo({});
    block(150);
    expect((await client.hold({ id: 40n }, { timeoutMs: 100 })).id).toBe(40n);
  });

  it("does not fail calls whose responses have arrived meanwhile", async () => {
    const path = join(folder, "blocked.sock");
    const server = serve();
    await server.listen(`unix:${path}`);
    const client = new EchoClient(tracker.current.connect(`unix:${path}`));
    await client.echo({});
    // The requests reach the server, which answers before the loop is blocked; the responses wait in the socket.
    const calls = Array.from({ length: 100 }, (_, i) => client.echo({ id: BigInt(i) }, { timeoutMs: 80 }));
    await until("all are served", () => server.stats().callsServed === 101);
    block(200);
    expect((await Promise.all(calls)).map(({ id }) => Number(id))).toEqual(calls.map((_, i) => i));
  });
});

describe("a stranger at the port", () => {
  const STRANGERS: [string, Buffer][] = [
    ["HTTP/1", Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n")],
    ["HTTP/2", Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", "latin1")],
    ["TLS", Buffer.from("16030100c8010000c40303", "hex")],
    ["a line", Buffer.from("hello\n")],
  ];

  it.each(STRANGERS)("that speaks %s is told PROTOCOL_ERROR and is gone within a second", async (_, bytes) => {
    const server = serve();
    const address = await server.listen("tcp://127.0.0.1:0");
    const client = new EchoClient(tracker.current.connect(address));
    const beside = Promise.all(Array.from({ length: 50 }, () => client.echo({})));
    const began = performance.now();
    const socket = net.connect(portOf(address), "127.0.0.1");
    const reader = new FrameReader();
    socket.on("data", (chunk) => reader.push(chunk));
    socket.write(bytes);
    await once(socket, "close");
    expect(performance.now() - began).toBeLessThan(1_000);
    const [goAway] = reader.of(FrameType.GOAWAY);
    expect(goAway?.arg).toBe(CloseReason.PROTOCOL_ERROR);
    expect(Status.fromBytes(goAway?.payload as Buffer).message).toBe(
      "the peer does not speak Sluice: its first bytes are not the preface",
    );
    await beside;
    await until("the stranger is forgotten", () => server.stats().connections === 1);
  });

  it("that says nothing is gone after the handshake timeout", async () => {
    const server = serve({ handshakeTimeoutMs: 100 });
    const socket = net.connect(portOf(await server.listen("tcp://127.0.0.1:0")), "127.0.0.1");
    socket.resume();
    await once(socket, "close");
    await until("it is forgotten", () => server.stats().connections === 0);
  });

  it("that resets the connection leaves nothing behind", async () => {
    const server = serve();
    const port = portOf(await server.listen("tcp://127.0.0.1:0"));
    for (let i = 0; i < 20; i++) {
      const socket = net.connect(port, "127.0.0.1");
      await once(socket, "connect");
      socket.resetAndDestroy();
    }
    await until("all are forgotten", () => server.stats().connections === 0);
  });
});

describe("a server that is no server", () => {
  it("accepts and says nothing: the dial fails within its limit", async () => {
    const open = new Set<net.Socket>();
    const mute = net.createServer((socket) => void open.add(socket)).listen(0, "127.0.0.1");
    await once(mute, "listening");
    const { port } = mute.address() as net.AddressInfo;
    const channel = tracker.current.connect(`tcp://127.0.0.1:${port}`, { handshakeTimeoutMs: 150 });
    const call = failure(new EchoClient(channel).echo({}));
    const error = await failure(channel.ready({ timeoutMs: 300 }));
    expect(error.message).toContain("the peer has not completed the handshake within 150 ms");
    expect(await call).toMatchObject({ code: Code.UNAVAILABLE, retry: "unsafe" });
    await channel.close();
    for (const socket of open) socket.destroy();
    mute.close();
  });

  it("speaks HTTP: the client says so", async () => {
    const web = net.createServer((socket) =>
      socket
        .on("error", () => {})
        .resume()
        .end("HTTP/1.1 400 Bad Request\r\n\r\n"),
    );
    web.listen(0, "127.0.0.1");
    await once(web, "listening");
    const { port } = web.address() as net.AddressInfo;
    const channel = tracker.current.connect(`tcp://127.0.0.1:${port}`);
    const error = await failure(channel.ready({ timeoutMs: 200 }));
    expect(error.message).toContain("the peer does not speak Sluice");
    web.close();
  });
});
