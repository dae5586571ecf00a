// The floor's sockets: a server that accepts them, and a client's, which reads into one buffer again and again.

import { once } from "node:events";
import { type AddressInfo, createServer, connect as dial, type Socket } from "node:net";
import { newSlab, type Slab, slabOver } from "./floor-codec.js";
import type { EchoServer } from "./peer.js";

/** What one read of a client takes at most. A longer batch comes in several reads, so that both sides work at once. */
const READ_BYTES = 64 * 1024;

/** Takes the bytes of one read, `slab[0, end)`. */
export type OnRead = (slab: Slab, end: number) => void;

/** Accepts sockets on a free port of the loopback; `accept` gives what reads from each. */
export async function serveSockets(accept: (socket: Socket) => OnRead): Promise<EchoServer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.setNoDelay(true);
    socket.on("error", () => socket.destroy());
    const onRead = accept(socket);
    socket.on("data", (chunk: Buffer) => onRead(slabOver(chunk), chunk.length));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const close = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return { address: `127.0.0.1:${port}`, close };
}

/** A socket to an address that {@link serveSockets} gave, which is still to be connected. */
export function dialSocket(address: string, onRead: OnRead): Socket {
  const [host, port] = address.split(":") as [string, string];
  const incoming = newSlab(READ_BYTES);
  const callback = (length: number): boolean => {
    onRead(incoming, length);
    return true;
  };
  const socket = dial({ host, port: Number(port), noDelay: true, onread: { buffer: incoming.bytes, callback } });
  socket.on("error", () => socket.destroy());
  return socket;
}
