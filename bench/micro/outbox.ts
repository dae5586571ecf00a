// The outbox: an operation is a frame of 112 bytes, encoded in place and written to a pipe at the end of its tick, with 64 frames a
// tick and with one. Its slab comes from a pool, or is allocated for each tick.

import { beginFrame, endFrame, FrameType } from "../../src/codec/frame.js";
import { SlabPool } from "../../src/codec/slab.js";
import { Outbox } from "../../src/transport/outbox.js";
import { Tick } from "../../src/transport/tick.js";
import type { MicroCase } from "../lib/micro.js";
import { noSlabs, StageClock, StagePipe } from "./stage.js";

const PAYLOAD_BYTES = 100;

function writeFrames(slabs: SlabPool, perTick: number): MicroCase["run"] {
  const clock = new StageClock();
  const outbox = new Outbox(new StagePipe(), slabs, new Tick(clock));
  return (times) => {
    for (let done = 0; done < times; done += perTick) {
      for (let i = 0; i < perTick; i++) {
        beginFrame(outbox);
        outbox.reserve(PAYLOAD_BYTES);
        outbox.buf[outbox.pos] = i;
        outbox.pos += PAYLOAD_BYTES;
        endFrame(outbox, FrameType.REQUEST, 1, 1, i);
        outbox.schedule();
      }
      clock.end();
    }
  };
}

/** The cases. */
export function outboxCases(): MicroCase[] {
  return [1, 64].flatMap((perTick) => {
    const subject = `write a frame, ${perTick} in a tick`;
    return [
      { subject, way: "slab pool", isPool: true, run: writeFrames(new SlabPool({ debug: false }), perTick) },
      { subject, way: "slab allocated", run: writeFrames(noSlabs(), perTick) },
    ];
  });
}
