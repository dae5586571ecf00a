// What the benchmark asks of every system whose streams it compares. A system is measured through these interfaces and
// nothing else; the messages and their checking (sequence.ts) cost each of them the same.

import type { EchoServer } from "../macro/peer.js";
import type { Ends, Sink, Source } from "./sequence.js";

/** A connected client. */
export interface StreamClient {
  /** Reads a stream of `count` messages, 0 for as many as there is time for, into `sink`; resolves at its end. */
  download(count: number, sink: Sink): Promise<void>;
  /** Sends what `source` gives; resolves to how many messages the server says it has taken. */
  upload(source: Source): Promise<number>;
  close(): Promise<void> | void;
}

/** One system under comparison. */
export interface StreamPeer {
  /** Starts a server on a free port of the loopback, whose streams end in `ends`. */
  serve(ends: Ends): Promise<EchoServer>;
  /** Opens a client to `address`, which {@link StreamPeer.serve} gave. */
  connect(address: string): Promise<StreamClient>;
}
