// The slab pool beside Buffer's own allocation: a buffer is taken, a byte of each of its pages is written, and it is given back or
// left to the garbage collector.

import { SlabPool } from "../../src/codec/slab.js";
import type { MicroCase } from "../lib/micro.js";

const PAGE_BYTES = 4096;
const SIZES: readonly (readonly [bytes: number, name: string])[] = [
  [1024, "1 KiB"],
  [65_536, "64 KiB"],
  [1_048_576, "1 MiB"],
];

function touch(buf: Buffer): void {
  for (let at = 0; at < buf.length; at += PAGE_BYTES) buf[at] = at;
}

function pooled(bytes: number): MicroCase["run"] {
  const slabs = new SlabPool({ debug: false });
  return (times) => {
    for (let i = 0; i < times; i++) {
      const slab = slabs.lease(bytes, "micro");
      touch(slab);
      slabs.release(slab);
    }
  };
}

function allocated(bytes: number, allocate: (bytes: number) => Buffer): MicroCase["run"] {
  return (times) => {
    for (let i = 0; i < times; i++) touch(allocate(bytes));
  };
}

/** The cases. */
export function slabCases(): MicroCase[] {
  return SIZES.flatMap(([bytes, name]) => {
    const subject = `a buffer of ${name}`;
    return [
      { subject, way: "slab pool", isPool: true, run: pooled(bytes) },
      { subject, way: "allocUnsafe", run: allocated(bytes, (size) => Buffer.allocUnsafe(size)) },
      { subject, way: "allocUnsafeSlow", run: allocated(bytes, (size) => Buffer.allocUnsafeSlow(size)) },
    ];
  });
}
