// The splitter: an operation is a frame. Frames that lie whole in a chunk, and frames that cross chunks, which are put together in
// a slab of a pool, or in one that is allocated.

import { PREFACE } from "../../src/codec/frame.js";
import { SlabPool } from "../../src/codec/slab.js";
import { type FrameSink, Splitter } from "../../src/codec/splitter.js";
import { frames } from "../../src/testing/frames.js";
import type { MicroCase } from "../lib/micro.js";
import { noSlabs } from "./stage.js";

const MAX_FRAME_BYTES = 1_048_576;
const SMALL = frames.request(0, 1, Buffer.alloc(100));
const LONG = frames.request(0, 1, Buffer.alloc(32_768));
const FRAMES = 64;

function makeSplitter(slabs: SlabPool): Splitter {
  const sink: FrameSink & { bytes: number } = {
    isOpen: true,
    bytes: 0,
    onFrame(_, start, end) {
      this.bytes += end - start;
    },
  };
  const splitter = new Splitter(slabs, sink, MAX_FRAME_BYTES);
  splitter.push(PREFACE, 0, PREFACE.length);
  return splitter;
}

function whole(): MicroCase["run"] {
  const splitter = makeSplitter(new SlabPool({ debug: false }));
  const chunk = Buffer.concat(Array.from({ length: FRAMES }, () => SMALL));
  return (times) => {
    for (let done = 0; done < times; done += FRAMES) splitter.push(chunk, 0, chunk.length);
  };
}

/** Each frame comes in two chunks. */
function cut(slabs: SlabPool, frame: Buffer): MicroCase["run"] {
  const splitter = makeSplitter(slabs);
  const middle = frame.length >> 1;
  return (times) => {
    for (let i = 0; i < times; i++) {
      splitter.push(frame, 0, middle);
      splitter.push(frame, middle, frame.length);
    }
  };
}

/** The cases. */
export function splitterCases(): MicroCase[] {
  const small = "put together a frame of 100 B";
  const long = "put together a frame of 32 KiB";
  return [
    { subject: "find a frame of 100 B in a chunk", way: "in place", run: whole() },
    { subject: small, way: "slab pool", isPool: true, run: cut(new SlabPool({ debug: false }), SMALL) },
    { subject: small, way: "slab allocated", run: cut(noSlabs(), SMALL) },
    { subject: long, way: "slab pool", isPool: true, run: cut(new SlabPool({ debug: false }), LONG) },
    { subject: long, way: "slab allocated", run: cut(noSlabs(), LONG) },
  ];
}
