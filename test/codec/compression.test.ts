// Compression: what is compressed comes back, what does not decompress is a DecodeError, and a limit bounds the memory
// that a message may take, whatever it claims. zstd is tested where Node.js has it.

import { Readable } from "node:stream";
import * as zlib from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  availableCompressions,
  type Compression,
  compress,
  compressionNumbers,
  decompress,
} from "../../src/codec/compression.js";
import { DecodeError } from "../../src/codec/message.js";
import { Code, RpcError } from "../../src/codec/status.js";
import { testSeed } from "../support/seed.js";

const MIB = 1_048_576;
const seed = testSeed();
const everything: readonly Compression[] = ["gzip", "br", "zstd"];
const hasZstd = "zstdCompressSync" in zlib;

/** Text with repetitions, and bytes without: long enough for several blocks, short enough to be cut at every byte. */
const TEXT = Buffer.from(Array.from({ length: 60 }, (_, i) => `{"userId":${i * 7919},"name":"user ${i}"}`).join(","));
const NOISE = noise(400);
const MIXED = Buffer.concat([TEXT, NOISE, TEXT]);

/** Bytes that do not compress, the same ones each time. */
function noise(bytes: number): Buffer {
  let state = 1;
  return Buffer.from(
    Array.from({ length: bytes }, () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state >>> 24;
    }),
  );
}

/** node:zlib's own compression, for messages that `compress` would not make: with other settings, or not smaller. */
function compressed(name: Compression, bytes: Buffer): Buffer {
  const functions: Record<Compression, (bytes: Buffer) => Buffer> = {
    gzip: zlib.gzipSync,
    br: zlib.brotliCompressSync,
    zstd: (zlib as { zstdCompressSync?: (bytes: Buffer) => Buffer }).zstdCompressSync as (bytes: Buffer) => Buffer,
  };
  return functions[name](bytes);
}

function message(name: Compression, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from([compressionNumbers[name]]), body]);
}

/** What `run` throws. */
function thrown(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

function expectStatus(run: () => unknown, code: Code, text: RegExp): void {
  const error = thrown(run);
  expect(error).toBeInstanceOf(RpcError);
  expect(error).toMatchObject({ code, origin: "local", retry: "never" });
  expect((error as RpcError).message).toMatch(text);
}

/** A GiB of zeros, compressed without ever being in memory as a whole. */
async function bomb(name: Compression): Promise<Buffer> {
  const zeros = Buffer.alloc(16 * MIB);
  if (name === "gzip") return Buffer.concat(Array(64).fill(zlib.gzipSync(zeros)));
  const zstd = zlib as { createZstdCompress?: () => zlib.BrotliCompress };
  const params = { [zlib.constants.BROTLI_PARAM_QUALITY]: 2 };
  const stream = name === "br" ? zlib.createBrotliCompress({ params }) : zstd.createZstdCompress?.();
  const chunks: Buffer[] = [];
  for await (const chunk of Readable.from(Array(64).fill(zeros)).pipe(stream as zlib.BrotliCompress)) {
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

describe("the algorithms", () => {
  it("have the numbers of PROTOCOL.md section 12", () => {
    expect(compressionNumbers).toEqual({ gzip: 1, br: 2, zstd: 3 });
  });

  it("are offered where node:zlib has them, the fastest first", () => {
    expect(availableCompressions).toEqual(hasZstd ? ["zstd", "gzip", "br"] : ["gzip", "br"]);
    expect(Object.isFrozen(availableCompressions)).toBe(true);
  });

  it.skipIf(hasZstd)("refuse zstd where node:zlib lacks it", () => {
    expect(() => compress("zstd", TEXT)).toThrow(new TypeError(`zstd is not available in Node.js ${process.version}`));
    expectStatus(() => decompress(Buffer.from([3, 0]), 100, ["zstd"]), Code.UNIMPLEMENTED, /compressed with zstd;/);
  });
});

describe("what the first byte names", () => {
  it("is refused if nobody knows it", () => {
    for (const number of [0, 4, 255]) {
      const text = new RegExp(`unknown algorithm \\(${number}\\); this side accepts gzip, br$`);
      expectStatus(() => decompress(Buffer.from([number, 1, 2]), 100, ["gzip", "br"]), Code.UNIMPLEMENTED, text);
    }
  });

  it("is refused if this side has not announced it", () => {
    const bytes = message("gzip", zlib.gzipSync(TEXT));
    expectStatus(() => decompress(bytes, 10_000, ["br"]), Code.UNIMPLEMENTED, /with gzip; this side accepts br$/);
    expectStatus(() => decompress(bytes, 10_000, []), Code.UNIMPLEMENTED, /accepts no compression$/);
  });

  it("is missing from a message of 0 bytes", () => {
    expect(() => decompress(Buffer.alloc(0), 100, everything)).toThrow(DecodeError);
  });
});

describe.each(availableCompressions)("%s", (name) => {
  const whole = message(name, compressed(name, MIXED));
  const read = (bytes: Buffer, maxBytes = 100_000): Buffer => decompress(bytes, maxBytes, everything);

  it("brings back what was compressed, behind the algorithm's number", () => {
    for (const bytes of [TEXT, MIXED, Buffer.alloc(100_000), Buffer.alloc(3 * MIB, "Sluice ")]) {
      const travelling = compress(name, bytes) as Buffer;
      expect(travelling[0]).toBe(compressionNumbers[name]);
      expect(travelling.length).toBeLessThan(bytes.length);
      expect(read(travelling, bytes.length).equals(bytes)).toBe(true);
    }
  });

  it("leaves alone what it cannot make smaller", () => {
    for (const bytes of [Buffer.alloc(0), Buffer.from("a"), noise(16), NOISE, noise(100_000)]) {
      expect(compress(name, bytes)).toBeUndefined();
    }
  });

  it("makes no message that is as long as the original", () => {
    for (let zeros = 0; zeros < 64; zeros++) {
      const bytes = Buffer.alloc(zeros);
      const travelling = compress(name, bytes);
      if (travelling === undefined) continue;
      expect(travelling.length).toBeLessThan(zeros);
      expect(read(travelling)).toEqual(bytes);
    }
    expect(compress(name, Buffer.alloc(64))).toBeDefined();
  });

  it("reads a message that is empty, or that compression has made longer", () => {
    for (const bytes of [Buffer.alloc(0), Buffer.from("a"), NOISE]) {
      expect(read(message(name, compressed(name, bytes)), bytes.length)).toEqual(bytes);
    }
  });

  it("returns memory of its own", () => {
    const travelling = Buffer.from(whole);
    const bytes = read(travelling);
    travelling.fill(0);
    expect(bytes.equals(MIXED)).toBe(true);
  });

  it("lets the limit through, and not one byte more", () => {
    const sizes = [1, 63, 64, 65, 1_000, 16_384, MIB - 1, MIB, MIB + 1, 2 * MIB];
    for (const bytes of sizes) {
      const travelling = message(name, compressed(name, Buffer.alloc(bytes, "0123456789")));
      expect(read(travelling, bytes).length, `${bytes}`).toBe(bytes);
      const text = new RegExp(`the ${name} message takes more than ${bytes - 1} bytes`);
      expectStatus(() => read(travelling, bytes - 1), Code.RESOURCE_EXHAUSTED, text);
    }
  });

  it("refuses a bomb without more memory than the limit", { timeout: 60_000 }, async () => {
    const travelling = message(name, await bomb(name));
    expect(travelling.length).toBeLessThan(1.2 * MIB);
    for (const maxBytes of [0, 1, 10_000, MIB, 8 * MIB]) {
      const before = { peak: process.resourceUsage().maxRSS, buffers: process.memoryUsage().arrayBuffers };
      expectStatus(
        () => read(travelling, maxBytes),
        Code.RESOURCE_EXHAUSTED,
        new RegExp(`more than ${maxBytes} bytes`),
      );
      expect(process.memoryUsage().arrayBuffers - before.buffers).toBeLessThanOrEqual(maxBytes + 2 * MIB);
      expect((process.resourceUsage().maxRSS - before.peak) * 1_024).toBeLessThan(maxBytes + 32 * MIB);
    }
  });

  it("refuses a message that is cut off at any byte", () => {
    expect(read(whole).equals(MIXED)).toBe(true);
    for (let end = 0; end < whole.length; end++) {
      expect(() => read(whole.subarray(0, end)), `cut at ${end}`).toThrow(DecodeError);
    }
  });

  it("refuses what stands behind the end, even a single 0", () => {
    for (const garbage of [Buffer.from([0]), Buffer.alloc(64), Buffer.from("x"), NOISE]) {
      expect(() => read(Buffer.concat([whole, garbage]))).toThrow(DecodeError);
    }
  });

  it("refuses bytes that it has not made", () => {
    for (const junk of [Buffer.from("junk junk junk"), Buffer.alloc(100, 0xff), Buffer.alloc(100), NOISE]) {
      expect(() => read(message(name, junk))).toThrow(DecodeError);
    }
  });

  it(`brings back any bytes, and refuses them with anything behind or missing (SEED=${seed})`, () => {
    const piece = fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.integer({ min: 1, max: 2_000 }));
    const input = fc
      .array(piece, { maxLength: 8 })
      .map((pieces) => Buffer.concat(pieces.map(([bytes, times]) => Buffer.concat(Array(times).fill(bytes)))));
    const property = fc.property(
      input,
      fc.uint8Array({ minLength: 1, maxLength: 20 }),
      fc.nat(),
      (bytes, behind, cut) => {
        const travelling = compress(name, bytes) ?? message(name, compressed(name, bytes));
        expect(read(travelling, bytes.length).equals(bytes)).toBe(true);
        expect(() => read(Buffer.concat([travelling, behind]), 2 * MIB)).toThrow(DecodeError);
        expect(() => read(travelling.subarray(0, cut % travelling.length), 2 * MIB)).toThrow(DecodeError);
        if (bytes.length > 0) {
          expectStatus(() => read(travelling, bytes.length - 1), Code.RESOURCE_EXHAUSTED, /more than/);
        }
      },
    );
    fc.assert(property, { seed, numRuns: 200 });
  });

  it(`survives any damage: the result is within the limit or the error is one of ours (SEED=${seed})`, () => {
    const damage = fc.array(fc.tuple(fc.nat({ max: whole.length - 2 }), fc.nat({ max: 255 })), { minLength: 1 });
    const property = fc.property(damage, fc.boolean(), (bytes, isJunk) => {
      const travelling = isJunk ? message(name, Buffer.from(bytes.map(([, value]) => value))) : Buffer.from(whole);
      if (!isJunk) for (const [at, value] of bytes) travelling[at + 1] = value;
      try {
        expect(read(travelling, MIXED.length).length).toBeLessThanOrEqual(MIXED.length);
      } catch (error) {
        if (error instanceof DecodeError) return;
        expect(error).toMatchObject({ name: "RpcError", code: Code.RESOURCE_EXHAUSTED });
      }
    });
    fc.assert(property, { seed, numRuns: 2_000 });
  });
});

describe("gzip, as others may send it", () => {
  const member = zlib.gzipSync(TEXT);

  it("may have several members, and each must be whole", () => {
    const two = message("gzip", Buffer.concat([member, member]));
    expect(decompress(two, 2 * TEXT.length, everything).equals(Buffer.concat([TEXT, TEXT]))).toBe(true);
    expectStatus(() => decompress(two, 2 * TEXT.length - 1, everything), Code.RESOURCE_EXHAUSTED, /more than/);
    for (let end = member.length + 2; end < two.length; end++) {
      expect(() => decompress(two.subarray(0, end), 10_000, everything), `cut at ${end}`).toThrow(DecodeError);
    }
  });

  it("is refused if its checksum or its length is wrong", () => {
    for (let at = member.length - 8; at < member.length; at++) {
      const wrong = message("gzip", member);
      wrong[at + 1] = (wrong[at + 1] as number) ^ 1;
      expect(() => decompress(wrong, 10_000, everything), `byte ${at}`).toThrow(DecodeError);
    }
  });
});

describe.runIf(hasZstd)("zstd, as others may send it", () => {
  type Parameters = Record<number, number>;
  const zstd = zlib as { zstdCompressSync?: (bytes: Buffer, options: { params: Parameters }) => Buffer };
  const send = (bytes: Buffer, params: Parameters): Buffer =>
    message("zstd", (zstd.zstdCompressSync as NonNullable<typeof zstd.zstdCompressSync>)(bytes, { params }));
  const CONTENT_SIZE_FLAG = 200;
  const CHECKSUM_FLAG = 201;
  const WINDOW_LOG = 101;

  it("may have a checksum, which must be right, and may leave out its size", () => {
    for (const bytes of [Buffer.alloc(0), TEXT, MIXED, noise(300_000), Buffer.alloc(300_000)]) {
      for (const params of [
        { [CHECKSUM_FLAG]: 1 },
        { [CONTENT_SIZE_FLAG]: 0 },
        { [CHECKSUM_FLAG]: 1, [CONTENT_SIZE_FLAG]: 0 },
      ]) {
        const travelling = send(bytes, params);
        expect(decompress(travelling, bytes.length, everything).equals(bytes)).toBe(true);
        expect(() => decompress(travelling.subarray(0, -1), 400_000, everything)).toThrow(DecodeError);
        if (params[CHECKSUM_FLAG] !== 1) continue;
        const last = travelling.length - 1;
        travelling[last] = (travelling[last] as number) ^ 1;
        expect(() => decompress(travelling, 400_000, everything)).toThrow(DecodeError);
      }
    }
  });

  it("is one frame: not two, and not a skippable one", () => {
    const frame = send(TEXT, {}).subarray(1);
    const skippable = Buffer.from("502a4d18040000000000000000", "hex");
    for (const body of [Buffer.concat([frame, frame]), Buffer.concat([skippable, frame]), skippable]) {
      expect(() => decompress(message("zstd", body), 10_000, everything)).toThrow(DecodeError);
    }
  });

  it("may have a window of 8 MiB, or of the limit if that is more", () => {
    const large = (windowLog: number): Buffer => {
      const travelling = send(noise(1_000), { [CONTENT_SIZE_FLAG]: 0 });
      // The window stands behind the algorithm, the magic number and the descriptor. zstd would choose a smaller one.
      travelling[6] = (windowLog - 10) << 3;
      return travelling;
    };
    expect(decompress(large(23), 1_000, everything).length).toBe(1_000);
    expect(decompress(large(25), 2 ** 25, everything).length).toBe(1_000);
    expectStatus(
      () => decompress(large(24), 1_000, everything),
      Code.RESOURCE_EXHAUSTED,
      /window of more than 8388608 /,
    );
  });

  it("is let through at the limit when its window is its whole content", () => {
    const bytes = Buffer.alloc(20 * MIB + 1, "0123456789");
    const travelling = send(bytes, { [WINDOW_LOG]: 27 });
    expect(decompress(travelling, bytes.length, everything).length).toBe(bytes.length);
    expectStatus(
      () => decompress(travelling, MIB, everything),
      Code.RESOURCE_EXHAUSTED,
      /window of more than 8388608 /,
    );
  });
});
