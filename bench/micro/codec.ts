// How long generated codecs take to encode and decode, beside protobufjs's static code, protobuf-es and ts-proto. One
// process, short cells interleaved over many rounds. A good round counts (the 10th percentile), since other work on the
// machine can only slow a cell down; the median is shown, too. The bytes of all must be equal first. Ours copies a decoded `bytes` out of the buffer, others keep
// the buffer. `npm run bench:codec [-- --json FILE] [-- --rounds N]`.

import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { type MessageType, Writer } from "sluice/runtime";
import { Nested, type NestedInit, Small, type SmallInit } from "../gen/bench/v1/codec.js";
import { makeHeader } from "../lib/header.js";
import { loadPeers, type Peer, type PeerCodec } from "./peers.js";

/** Shorter than the time slices of a busy machine, so that many cells run undisturbed. */
const CELL_MS = 3;
const DEFAULT_ROUNDS = 200;
const OPERATIONS_PER_READING = 200;
const GOOD_PERCENTILE = 0.1;
/** Results go here, so that no operation can be optimized away. */
const sink: { last: unknown } = { last: undefined };

interface Cell {
  readonly system: string;
  readonly message: "small" | "nested";
  readonly operation: "encode" | "decode";
  readonly run: (times: number) => void;
  /** Nanoseconds an operation, one sample a round. */
  readonly samples: number[];
}

const small: SmallInit = { id: 2n ** 40n, name: "0123456789", payload: new Uint8Array(100).fill(7) };
const nested: NestedInit = {
  id: 2n ** 40n,
  name: "0123456789",
  score: 0.5,
  items: Array.from({ length: 10 }, (_, index) => ({ id: index + 1, name: `item ${index}`, on: index % 2 === 0 })),
  labels: Object.fromEntries(Array.from({ length: 5 }, (_, index) => [`label${index}`, `value ${index}`])),
};

const { values: options } = parseArgs({ options: { json: { type: "string" }, rounds: { type: "string" } } });
const peers = await loadPeers();
const cells = [...cellsFor("small", Small, small, peers), ...cellsFor("nested", Nested, nested, peers)];
for (let round = 0; round < Number(options.rounds ?? DEFAULT_ROUNDS); round++) for (const cell of cells) measure(cell);
report();

function cellsFor<T, Init>(
  message: Cell["message"],
  type: MessageType<T, Init>,
  init: Init,
  others: readonly Peer[],
): Cell[] {
  const bytes = Buffer.from(type.toBytes(init));
  const cell = (system: string, operation: Cell["operation"], run: Cell["run"]): Cell => ({
    ...{ system, message, operation, run },
    samples: [],
  });
  const theirs = others.flatMap((peer) => {
    const codec = peer.codec(message === "small" ? "Small" : "Nested", bytes);
    if (!Buffer.from(codec.encode()).equals(bytes))
      throw new Error(`${message}: ${peer.system} encodes it differently`);
    return [cell(peer.system, "encode", encodeTheirs(codec)), cell(peer.system, "decode", decodeTheirs(codec, bytes))];
  });
  return [
    cell("sluice", "encode", encodeOurs(type, init)),
    cell("sluice", "decode", decodeOurs(type, bytes)),
    ...theirs,
  ];
}

/** As the transport does it: one message after another into a buffer that is already there. */
function encodeOurs<T, Init>({ encode }: MessageType<T, Init>, message: Init): Cell["run"] {
  const writer = new Writer();
  return (times) => {
    for (let index = 0; index < times; index++) {
      writer.start = writer.pos = 0;
      encode(message, writer);
    }
    sink.last = writer.buf[0];
  };
}

function encodeTheirs(codec: PeerCodec): Cell["run"] {
  return (times) => {
    for (let index = 0; index < times; index++) sink.last = codec.encode();
  };
}

function decodeOurs<T, Init>({ decode }: MessageType<T, Init>, bytes: Buffer): Cell["run"] {
  return (times) => {
    for (let index = 0; index < times; index++) sink.last = decode(bytes, 0, bytes.length, 0);
  };
}

function decodeTheirs(codec: PeerCodec, bytes: Buffer): Cell["run"] {
  return (times) => {
    for (let index = 0; index < times; index++) sink.last = codec.decode(bytes);
  };
}

function measure({ run, samples }: Cell): void {
  let times = 0;
  const start = performance.now();
  let now = start;
  for (; now - start < CELL_MS; now = performance.now()) {
    run(OPERATIONS_PER_READING);
    times += OPERATIONS_PER_READING;
  }
  samples.push(((now - start) * 1e6) / times);
}

function report(): void {
  const rows = cells.map(({ system, message, operation, samples }) => {
    const sorted = samples.toSorted((a, b) => a - b);
    const at = (part: number): number => Math.round(sorted[Math.floor(sorted.length * part)]!);
    return { system, message, operation, goodNs: at(GOOD_PERCENTILE), medianNs: at(0.5) };
  });
  console.log("ns an operation in a good round (in the median one), and how often ours goes into it");
  for (const ours of rows.filter(({ system }) => system === "sluice")) {
    const same = rows.filter((row) => row.message === ours.message && row.operation === ours.operation);
    const texts = same.map((row) => {
      const ratio = row === ours ? "" : ` ${(row.goodNs / ours.goodNs).toFixed(1)}x`;
      return `${row.system} ${row.goodNs} (${row.medianNs})${ratio}`.padEnd(34);
    });
    console.log(`${`${ours.message} ${ours.operation}`.padEnd(15)} ${texts.join("").trimEnd()}`);
  }
  // One process, on whichever core it gets.
  const header = { ...makeHeader("bench:codec", process.argv.slice(2)), pinned: false };
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify({ header, rows }, undefined, 2)}\n`);
}
