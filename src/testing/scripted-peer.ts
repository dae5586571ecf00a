// The other end of a connection, played by a test: it sends the frames that it is told to, and writes down those that it
// receives. With it one tests what a service does when its peer is slow, wrong or hostile.

import { FrameType } from "../codec/frame.js";
import { Status } from "../codec/wire.js";
import { type Network, type Pipe, type PipeSink, parseAddress } from "../transport/pipe.js";
import { FrameReader } from "./frames.js";

/** What a {@link ScriptedPeer} needs of a clock: `VirtualClock` is one. */
interface Advancing {
  advance(ms: number): Promise<void>;
}

/**
 * The scripted end of a connection.
 *
 *     const peer = await ScriptedPeer.dial(network, clock, "memory:pair");
 *     peer.send(frames.hello(), frames.method(1, "demo.v1.Greeter/Hello"), frames.request(0, 1, HelloRequest.toBytes({})));
 *     await clock.advance(0);
 *     expect(peer.of(FrameType.RESPONSE)[0]?.arg).toBe(Code.INVALID_ARGUMENT);
 */
export class ScriptedPeer extends FrameReader implements PipeSink {
  /** The connection: `pipe.end()` and `pipe.destroy()` end it. */
  readonly pipe: Pipe;
  /** True once the other end has ended its side. */
  ended = false;
  /** True once the connection is gone. */
  closed = false;
  private readonly unsent: Buffer[] = [];
  private blocked = false;

  /** Plays the end of `pipe`; see {@link dial} and {@link listen}. */
  constructor(pipe: Pipe) {
    super();
    this.pipe = pipe;
    pipe.open(this);
  }

  /** Connects to a server. Rejects where nobody listens. */
  static async dial(network: Network, clock: Advancing, address: string): Promise<ScriptedPeer> {
    const { pipe } = network.dial(parseAddress(address));
    await clock.advance(0);
    return new ScriptedPeer(await pipe);
  }

  /** Plays a server: each connection that it accepts is added to the list that it resolves with, and told to `onPeer`. */
  static async listen(
    network: Network,
    address: string,
    onPeer?: (peer: ScriptedPeer) => void,
  ): Promise<ScriptedPeer[]> {
    const peers: ScriptedPeer[] = [];
    await network.listen(parseAddress(address), (pipe) => {
      const peer = new ScriptedPeer(pipe);
      peers.push(peer);
      onPeer?.(peer);
    });
    return peers;
  }

  /** Sends frames, or any bytes, behind those that the connection has not taken yet. */
  send(...bytes: readonly Uint8Array[]): void {
    this.unsent.push(Buffer.concat(bytes));
    if (!this.blocked) this.write();
  }

  /** The reason and text of the last GOAWAY that was received; undefined without one. */
  get goAway(): { readonly reason: number; readonly message: string } | undefined {
    const found = this.of(FrameType.GOAWAY).at(-1);
    return found && { reason: found.arg, message: Status.fromBytes(found.payload).message };
  }

  onData(buf: Buffer, start: number, end: number): void {
    this.push(buf.subarray(start, end));
  }

  onDrain(): void {
    this.blocked = false;
    this.write();
  }

  onEnd(): void {
    this.ended = true;
  }

  onClose(): void {
    this.closed = true;
  }

  private write(): void {
    for (let bytes = this.unsent.shift(); bytes !== undefined; bytes = this.unsent.shift()) {
      this.blocked = !this.pipe.write(bytes, 0, bytes.length);
      if (this.blocked) return;
    }
  }
}
