// What the benchmark asks of every system it compares: a server that echoes, and a client whose call is one promise.
// A system is measured through these interfaces and nothing else, so that the harness costs each of them the same.

/** The message of `bench/proto/bench/v1/echo.proto`, as every system gives and takes it. */
export interface EchoMessage {
  readonly id: bigint;
  readonly name: string;
  readonly payload: Uint8Array;
}

/** How a client uses connections. A system that knows only one way calls it `pipelined`. */
export type Mode = "short" | "pooled" | "pipelined";

/** Every mode, in the order in which they are shown. */
export const MODES: readonly Mode[] = ["short", "pooled", "pipelined"];

/**
 * What a call carries and passes through. `default`: the package's defaults. `bare`: without what options can leave out.
 * `loaded`: two keys of metadata, a deadline of its own and an interceptor on each side. Systems that know only one way
 * ignore it.
 */
export type Variant = "default" | "bare" | "loaded";

/** Every variant, in the order in which they are shown. */
export const VARIANTS: readonly Variant[] = ["default", "bare", "loaded"];

/** A running echo server. */
export interface EchoServer {
  /** What {@link Peer.connect} takes, in the system's own notation. */
  readonly address: string;
  close(): Promise<void> | void;
}

/** A connected client. */
export interface EchoCaller {
  /** One call: the message encoded, sent, echoed, and decoded again. */
  echo(message: EchoMessage): Promise<EchoMessage>;
  close(): Promise<void> | void;
}

/** One system under comparison. */
export interface Peer {
  /** Starts the echo server on a free port of the loopback. */
  serve(variant?: Variant): Promise<EchoServer>;
  /** Opens a client to `address`, which {@link EchoServer.address} gave. */
  connect(address: string, mode: Mode, variant?: Variant): Promise<EchoCaller>;
}
