// Pipes over TCP and Unix sockets: the only file that knows node:net.

import { lstat, unlink } from "node:fs/promises";
import net from "node:net";
import { Code, localError } from "../codec/status.js";
import {
  type Address,
  type Dialing,
  formatAddress,
  type Listener,
  type ListenOptions,
  type Network,
  type Pipe,
  type PipeSink,
} from "./pipe.js";

/** The size of the buffer that a dialed socket reads into, again and again, in bytes. */
const READ_BUFFER_BYTES = 65_536;
/** Connections that the kernel queues before they are accepted. */
const BACKLOG = 4096;

/** Reading in a dialed socket begins when the pipe is opened; until then this takes what comes. */
type OnRead = (bytes: number, buf: Buffer) => void;

class SocketPipe implements Pipe {
  readonly remote: string;
  private readonly socket: net.Socket;
  private sink: PipeSink | undefined = undefined;
  private waitsForDrain = false;
  private error: Error | undefined = undefined;
  private readonly onWritten = (): void => {
    if (!this.waitsForDrain || this.socket.writableLength > 0) return;
    this.waitsForDrain = false;
    if (!this.socket.destroyed) this.sink?.onDrain();
  };

  constructor(socket: net.Socket, remote: string) {
    this.socket = socket;
    this.remote = remote;
    socket.setNoDelay(true);
    socket.pause();
    socket.on("error", (error) => {
      this.error = error;
    });
  }

  open(sink: PipeSink): void {
    this.sink = sink;
    this.socket.on("end", () => sink.onEnd());
    this.socket.on("close", () => sink.onClose(this.error));
    this.socket.on("data", (chunk: Buffer) => sink.onData(chunk, 0, chunk.length));
    this.socket.resume();
  }

  write(buf: Buffer, start: number, end: number): boolean {
    const { socket } = this;
    if (!socket.writable) return true;
    socket.write(buf.subarray(start, end), this.onWritten);
    this.waitsForDrain = socket.writableLength > 0;
    return !this.waitsForDrain;
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  end(): void {
    this.socket.end();
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** Bytes that a socket with a read buffer of its own has received. */
  readonly onRead: OnRead = (bytes, buf) => {
    this.sink?.onData(buf, 0, bytes);
  };
}

/** TCP and Unix sockets of this machine. */
export const socketNetwork: Network = {
  dial(address: Address): Dialing {
    const text = formatAddress(address);
    let onRead: OnRead = () => {};
    const socket = net.connect({
      ...target(address),
      allowHalfOpen: true,
      onread: {
        buffer: Buffer.allocUnsafeSlow(READ_BUFFER_BYTES),
        callback: (bytes, buf) => {
          onRead(bytes, buf as Buffer);
          return true;
        },
      },
    });
    const pipe = new Promise<Pipe>((resolve, reject) => {
      socket.once("connect", () => {
        const opened = new SocketPipe(socket, remoteOf(text));
        onRead = opened.onRead;
        resolve(opened);
      });
      socket.once("error", (error) => reject(dialError(text, error.message, error)));
      socket.once("close", () => reject(dialError(text, "given up")));
    });
    return { pipe, cancel: () => socket.destroy() };
  },

  async listen(address: Address, onPipe: (pipe: Pipe) => void, options: ListenOptions = {}): Promise<Listener> {
    checkReusePort(address, options);
    const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
      onPipe(new SocketPipe(socket, address.kind === "unix" ? "unix:" : peerOf(socket)));
    });
    await bind(server, address, options);
    server.on("error", () => {
      // An accept that failed (out of file descriptors, say) costs that connection, never the server.
    });
    const bound = server.address();
    const port = typeof bound === "object" && bound !== null ? bound.port : 0;
    return {
      address: address.kind === "tcp" ? { ...address, port } : address,
      // The callback of `close` would wait for the accepted connections; the listening socket is closed at once.
      async close() {
        server.close();
      },
    };
  },
};

/** What this process and address cannot do is said before Node ignores it, as old versions would. */
function checkReusePort(address: Address, { reusePort = false }: ListenOptions): void {
  if (!reusePort) return;
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const isKnown = major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12);
  const flaw =
    address.kind === "unix"
      ? "reusePort is for TCP ports: leave it out"
      : `reusePort needs Node 22.12 or later (23.1 in version 23), and this is ${process.versions.node}: share the port by node:cluster instead, which \`runCluster\` of sluice/cluster does without it`;
  if (address.kind === "unix" || !isKnown) throw listenError(address, new Error(flaw));
}

async function bind(server: net.Server, address: Address, options: ListenOptions): Promise<void> {
  try {
    await listenOnce(server, address, options);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (address.kind !== "unix" || code !== "EADDRINUSE") throw listenError(address, error);
    // Only a socket that nobody listens on is removed: a path given by mistake may name a file that matters.
    if (!(await lstat(address.path)).isSocket() || (await isAlive(address))) throw listenError(address, error);
    await unlink(address.path);
    await listenOnce(server, address, options);
  }
}

function listenOnce(server: net.Server, address: Address, { reusePort = false }: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    // Node 20 and its types do not know the option; an object of its own is not checked for it.
    const how = { ...target(address), backlog: BACKLOG, ...(reusePort ? { reusePort } : {}) };
    server.listen(how, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

/** Whether someone listens on a Unix socket: one that a process left behind when it was killed refuses. */
function isAlive(address: Address): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = net.connect(target(address));
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", () => resolve(false));
  });
}

function target(address: Address): { host: string; port: number } | { path: string } {
  if (address.kind === "tcp") return { host: address.host, port: address.port };
  if (address.kind === "unix") return { path: address.path };
  throw localError(
    Code.INVALID_ARGUMENT,
    `${formatAddress(address)}: sockets take tcp:// and unix: addresses`,
    "never",
  );
}

/** Where a TCP connection comes from. One that is gone already has no address, and must not pass for anybody. */
function peerOf({ remoteAddress, remotePort }: net.Socket): string {
  return `${remoteAddress ?? "unknown"}:${remotePort ?? ""}`;
}

/** An address as errors and logs name it. */
function remoteOf(address: string): string {
  return address.replace(/^tcp:\/\//, "");
}

function dialError(address: string, reason: string, cause?: Error): Error {
  return localError(Code.UNAVAILABLE, `cannot connect to ${address}: ${reason}`, "safe", cause);
}

function listenError(address: Address, error: unknown): Error {
  return localError(
    Code.UNAVAILABLE,
    `cannot listen on ${formatAddress(address)}: ${(error as Error).message}`,
    "never",
    error,
  );
}
