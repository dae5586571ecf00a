// What travels on the connections of a server, or of a client, frame by frame: how many bytes each message took, and whether
// it was compressed. It reads frames with code of its own and keeps no payloads. It can also cut the connections it has seen.

import { Flag, FrameType, HEADER_BYTES, PREFACE } from "../../src/codec/frame.js";
import type { Network, Pipe, PipeSink } from "../../src/index.js";

/** A message as it travelled. */
export interface TravelledMessage {
  readonly type: number;
  readonly isCompressed: boolean;
  /** Its payload and that of its fragments: with metadata, as compressed. */
  bytes: number;
}

/** One direction of all connections together. */
export class Direction {
  /** The messages that have begun, in order. */
  readonly messages: TravelledMessage[] = [];
  /** Every byte. */
  bytes = 0;
}

/** Wraps the network of a server or a client. */
export class WireTap {
  /** At a server: what came from clients. */
  readonly requests: Direction = new Direction();
  /** At a server: what went to clients. */
  readonly responses: Direction = new Direction();
  private readonly pipes = new Set<Pipe>();
  private taken = 0;

  /** The same network, whose pipes are watched. */
  wrap(network: Network): Network {
    return {
      dial: (address) => {
        const dialing = network.dial(address);
        return { pipe: dialing.pipe.then((pipe) => this.watch(pipe)), cancel: () => dialing.cancel() };
      },
      listen: (address, onPipe) => network.listen(address, (pipe) => onPipe(this.watch(pipe))),
    };
  }

  /** The next message that came from clients, in the order of their arrival, each one once. */
  takeRequest(): TravelledMessage | undefined {
    return this.requests.messages[this.taken++];
  }

  /** Closes every connection that is open, from this end and without a word, as a process does that is killed. */
  cut(): void {
    for (const pipe of this.pipes) pipe.destroy();
  }

  private watch(pipe: Pipe): Pipe {
    const [from, to] = [new FrameWatcher(this.requests), new FrameWatcher(this.responses)];
    this.pipes.add(pipe);
    const onClose = (): void => void this.pipes.delete(pipe);
    return {
      remote: pipe.remote,
      open(sink: PipeSink): void {
        pipe.open({
          onData(buf, start, end) {
            from.push(buf, start, end);
            sink.onData(buf, start, end);
          },
          onDrain: () => sink.onDrain(),
          onEnd: () => sink.onEnd(),
          onClose(error) {
            onClose();
            sink.onClose(error);
          },
        });
      },
      write(buf, start, end) {
        to.push(buf, start, end);
        return pipe.write(buf, start, end);
      },
      pause: () => pipe.pause(),
      resume: () => pipe.resume(),
      end: () => pipe.end(),
      destroy: () => pipe.destroy(),
    };
  }
}

/** Tells the messages in the bytes of one direction of one connection. */
class FrameWatcher {
  private readonly direction: Direction;
  private readonly header = Buffer.alloc(HEADER_BYTES);
  private headerBytes = 0;
  /** Bytes to be skipped before the next header. */
  private skip: number = PREFACE.length;
  /** The messages whose fragments are still to come, by call. */
  private readonly incomplete = new Map<number, TravelledMessage>();

  constructor(direction: Direction) {
    this.direction = direction;
  }

  push(buf: Buffer, start: number, end: number): void {
    this.direction.bytes += end - start;
    for (let at = start; at < end; ) {
      const wanted = this.skip > 0 ? this.skip : HEADER_BYTES - this.headerBytes;
      const bytes = Math.min(wanted, end - at);
      if (this.skip > 0) this.skip -= bytes;
      else this.readHeader(buf, at, bytes);
      at += bytes;
    }
  }

  private readHeader(buf: Buffer, at: number, bytes: number): void {
    buf.copy(this.header, this.headerBytes, at, at + bytes);
    this.headerBytes += bytes;
    if (this.headerBytes < HEADER_BYTES) return;
    this.headerBytes = 0;
    this.skip = this.header.readUInt32LE(0);
    this.onFrame(this.header[4] as number, this.header[5] as number, this.header.readUInt32LE(8), this.skip);
  }

  private onFrame(type: number, flags: number, id: number, bytes: number): void {
    if (type === FrameType.FRAGMENT) {
      const message = this.incomplete.get(id);
      if (message !== undefined) message.bytes += bytes;
    } else if (type === FrameType.REQUEST || type === FrameType.RESPONSE || type === FrameType.MESSAGE) {
      if ((flags & Flag.NO_MESSAGE) !== 0) return;
      const message = { type, isCompressed: (flags & Flag.COMPRESSED) !== 0, bytes };
      this.direction.messages.push(message);
      if ((flags & Flag.MORE) !== 0) this.incomplete.set(id, message);
    }
  }
}
