// A frame's header, written and read.

import { beginFrame, endFrame, FrameType, HEADER_BYTES, readArg, readUint32 } from "../../src/codec/frame.js";
import { Writer } from "../../src/codec/writer.js";
import type { MicroCase } from "../lib/micro.js";

const PAYLOAD_BYTES = 100;

/** The cases. */
export function frameCases(): MicroCase[] {
  const writer = new Writer(HEADER_BYTES + PAYLOAD_BYTES);
  const sink = { sum: 0 };
  const write = (times: number): void => {
    for (let i = 0; i < times; i++) {
      writer.start = writer.pos = 0;
      beginFrame(writer);
      writer.pos += PAYLOAD_BYTES;
      endFrame(writer, FrameType.REQUEST, 1, 1, i);
    }
  };
  const read = (times: number): void => {
    const { buf } = writer;
    let sum = 0;
    for (let i = 0; i < times; i++)
      sum += readUint32(buf, 0) + (buf[4] as number) + (buf[5] as number) + readArg(buf, 0) + readUint32(buf, 8);
    sink.sum = sum;
  };
  return [
    { subject: "write a frame's header", way: "in place", run: write },
    { subject: "read a frame's header", way: "in place", run: read },
  ];
}
