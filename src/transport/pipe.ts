// A pipe carries bytes both ways between two ends; a network makes pipes. Sessions know only these interfaces: sockets,
// the memory network of tests and the simulator's faulty network implement them.

import { Code, RpcError } from "../codec/status.js";

/** Where a server listens or a client dials. */
export type Address =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "memory"; readonly name: string };

/** What a pipe tells the session on it. After `onClose` nothing more is called. */
export interface PipeSink {
  /** Bytes arrived: `buf[start, end)`. They are valid only during the call: copy what must stay. */
  onData(buf: Buffer, start: number, end: number): void;
  /** The write that was not taken at once has been taken; the next one may follow. */
  onDrain(): void;
  /** The peer will send no more bytes; it may still read. */
  onEnd(): void;
  /** The pipe is gone, in both directions. `error` says why, where there is a cause to name. */
  onClose(error: Error | undefined): void;
}

/** One full-duplex byte stream. */
export interface Pipe {
  /** The other end, for logs and errors: `10.0.0.1:7450`, `unix:/run/a.sock`, `memory:a`. */
  readonly remote: string;
  /** Starts delivery to `sink`. Called once; nothing is delivered before. */
  open(sink: PipeSink): void;
  /**
   * Sends `buf[start, end)`. True: the bytes were taken and the buffer is free again. False: the pipe keeps the buffer
   * until `onDrain`, and `write` may not be called before that.
   */
  write(buf: Buffer, start: number, end: number): boolean;
  /** Stops `onData` until `resume`. */
  pause(): void;
  resume(): void;
  /** Sends what was written, then says that no more will come. */
  end(): void;
  /** Closes both directions at once; `onClose` follows, in a later tick. */
  destroy(): void;
}

/** A connection attempt under way. */
export interface Dialing {
  /** The open pipe; rejects with an error that names the address. */
  readonly pipe: Promise<Pipe>;
  /** Gives the attempt up: `pipe` rejects, and nothing stays open. */
  cancel(): void;
}

/** A listening address. */
export interface Listener {
  /** The address as bound: a port of 0 has become a real one. */
  readonly address: Address;
  /** Accepts no more pipes; those accepted live on. */
  close(): Promise<void>;
}

/** How to listen. */
export interface ListenOptions {
  /**
   * True: other processes may listen on the same TCP port in the same way, and the kernel gives each connection to one of them
   * (SO_REUSEPORT). For Node >= 23.1, or 22 from 22.12 on, on Linux, FreeBSD, DragonFlyBSD, Solaris and AIX. Default false.
   */
  readonly reusePort?: boolean;
}

/** Makes pipes. */
export interface Network {
  dial(address: Address): Dialing;
  /** Rejects with an error that names the address. Networks that know no ports ignore the options. */
  listen(address: Address, onPipe: (pipe: Pipe) => void, options?: ListenOptions): Promise<Listener>;
}

/** `tcp://host:port`, `unix:/path` or `memory:name`, as {@link formatAddress} writes it. Throws `RpcError` INVALID_ARGUMENT. */
export function parseAddress(text: string): Address {
  const tcp = /^tcp:\/\/(?:\[([^\]]+)\]|([^:/[\]]*)):(\d{1,5})$/.exec(text);
  const port = Number(tcp?.[3]);
  if (tcp !== null && port <= 65_535) return { kind: "tcp", host: tcp[1] ?? (tcp[2] || "127.0.0.1"), port };
  const unix = /^unix:(?:\/\/)?(\/[^\0]+)$/.exec(text);
  if (unix?.[1] !== undefined) return { kind: "unix", path: unix[1] };
  const memory = /^memory:([\w.-]+)$/.exec(text);
  if (memory?.[1] !== undefined) return { kind: "memory", name: memory[1] };
  throw new RpcError(
    Code.INVALID_ARGUMENT,
    `not an address: ${JSON.stringify(text)}; expected tcp://host:port, unix:/path or memory:name`,
  );
}

/** The text that {@link parseAddress} reads. */
export function formatAddress(address: Address): string {
  if (address.kind === "unix") return `unix:${address.path}`;
  if (address.kind === "memory") return `memory:${address.name}`;
  return `tcp://${address.host.includes(":") ? `[${address.host}]` : address.host}:${address.port}`;
}
