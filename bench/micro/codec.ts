// How long generated codecs take to encode and decode, beside protobufjs's static code. One process, cells interleaved
// over rounds, medians; the bytes of both must be equal first. Ours copies a decoded `bytes` out of the buffer, theirs
// keeps the buffer. `node build/bench/micro/codec.js [--json FILE] [--rounds N]`.

import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { parseArgs } from "node:util";
import { type MessageType, Writer } from "sluice/runtime";
import { Nested, type NestedInit, Small, type SmallInit } from "../gen/bench/v1/codec.js";

/** Long enough for a reading, short enough that all cells meet the same weather. */
const CELL_MS = 60;
const DEFAULT_ROUNDS = 15;
/** Results go here, so that no operation can be optimized away. */
const sink: { last: unknown } = { last: undefined };

/** What the static code of protobufjs has for a message type. */
interface StaticType {
  encode(message: unknown): { finish(): Uint8Array };
  decode(bytes: Uint8Array): unknown;
}

interface Cell {
  readonly system: "sluice" | "protobufjs";
  readonly message: "small" | "nested";
  readonly operation: "encode" | "decode";
  readonly run: (times: number) => void;
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
const cells = [...cellsFor("small", Small, small), ...cellsFor("nested", Nested, nested)];
for (let round = 0; round < Number(options.rounds ?? DEFAULT_ROUNDS); round++) for (const cell of cells) measure(cell);
report();

function cellsFor<T, Init>(message: Cell["message"], type: MessageType<T, Init>, init: Init): Cell[] {
  const bytes = Buffer.from(type.toBytes(init));
  const theirs = staticType(message === "small" ? "Small" : "Nested");
  const object = theirs.decode(bytes);
  if (!Buffer.from(theirs.encode(object).finish()).equals(bytes)) throw new Error(`${message}: the codecs disagree`);
  return [
    { system: "sluice", message, operation: "encode", run: encodeOurs(type, init), samples: [] },
    { system: "protobufjs", message, operation: "encode", run: encodeTheirs(theirs, object), samples: [] },
    { system: "sluice", message, operation: "decode", run: decodeOurs(type, bytes), samples: [] },
    { system: "protobufjs", message, operation: "decode", run: decodeTheirs(theirs, bytes), samples: [] },
  ];
}

function staticType(name: "Small" | "Nested"): StaticType {
  const require = createRequire(import.meta.url);
  return require("../../../bench/gen/protobufjs/codec.cjs").bench.v1[name];
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

function encodeTheirs(type: StaticType, message: unknown): Cell["run"] {
  return (times) => {
    for (let index = 0; index < times; index++) sink.last = type.encode(message).finish();
  };
}

function decodeOurs<T, Init>({ decode }: MessageType<T, Init>, bytes: Buffer): Cell["run"] {
  return (times) => {
    for (let index = 0; index < times; index++) sink.last = decode(bytes, 0, bytes.length, 0);
  };
}

function decodeTheirs(type: StaticType, bytes: Buffer): Cell["run"] {
  return (times) => {
    for (let index = 0; index < times; index++) sink.last = type.decode(bytes);
  };
}

function measure({ run, samples }: Cell): void {
  let times = 0;
  const start = performance.now();
  let now = start;
  for (; now - start < CELL_MS; now = performance.now()) {
    run(1000);
    times += 1000;
  }
  samples.push(((now - start) * 1e6) / times);
}

function medianOf(samples: readonly number[]): number {
  return samples.toSorted((a, b) => a - b)[samples.length >> 1]!;
}

function report(): void {
  const rows = cells.map(({ system, message, operation, samples }) => ({
    system,
    message,
    operation,
    nsPerOp: Math.round(medianOf(samples)),
  }));
  for (const ours of rows.filter(({ system }) => system === "sluice")) {
    const other = rows.find(
      (row) => row.system !== "sluice" && row.message === ours.message && row.operation === ours.operation,
    )!;
    const ratio = (other.nsPerOp / ours.nsPerOp).toFixed(1);
    const label = `${ours.message} ${ours.operation}`.padEnd(14);
    console.log(
      `${label}  sluice ${String(ours.nsPerOp).padStart(5)} ns   protobufjs ${String(other.nsPerOp).padStart(5)} ns   ${ratio}x`,
    );
  }
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(rows, undefined, 2)}\n`);
}
