// gRPC's interop cases of compression. Here a caller compresses by channel or by call, where gRPC does by message; a handler
// may change its mind from one response to the next. What is claimed of the wire is read from the wire.

import { describe, expect } from "vitest";
import { availableCompressions } from "../../src/codec/compression.js";
import { Code, type Compression, type ConnectOptions, type ServerOptions } from "../../src/index.js";
import { failure } from "../support/rig.js";
import { onEachTransport, type Stage } from "./stage.js";
import { collect, sizesOf, zeros } from "./streams.js";

const REQUEST_BYTES = 271_828;
const RESPONSE_BYTES = 314_159;
const YES = { value: true };
const NO = { value: false };
/** Zeros compress to a fraction of this part of what they were. */
const RATIO = 50;

/** How each end is told to compress. */
interface Setting {
  readonly name: string;
  readonly client: ConnectOptions;
  readonly server: ServerOptions;
}

const SETTINGS: readonly Setting[] = [
  { name: "for a call alone", client: {}, server: {} },
  ...availableCompressions.map((compression: Compression) => ({
    name: `with ${compression}`,
    client: { compression },
    server: { compression },
  })),
];

/** Whether each message that came from clients, or went to them, was compressed, and that its length is as it should be then. */
function travelled(stage: Stage, direction: "requests" | "responses", plainBytes: readonly number[]): boolean[] {
  const { messages } = stage.tap[direction];
  expect(messages).toHaveLength(plainBytes.length);
  return messages.map(({ isCompressed, bytes }, i) => {
    const plain = plainBytes[i] as number;
    if (isCompressed) expect(bytes).toBeLessThan(Math.max(plain / RATIO, 100));
    else expect(bytes).toBeGreaterThanOrEqual(plain);
    return isCompressed;
  });
}

onEachTransport((it) => {
  describe.each(SETTINGS)("$name", ({ client: clientOptions, server: serverOptions }) => {
    const setting = { client: clientOptions, server: serverOptions };

    it("client_compressed_unary: a request that is to be compressed is, and the probe is not", async (stage) => {
      const { client } = await stage.start(setting);
      const payload = { body: zeros(REQUEST_BYTES) };
      const probe = client.unaryCall({ payload, expectCompressed: YES }, { compress: false });
      expect(await failure(probe)).toMatchObject({ code: Code.INVALID_ARGUMENT });
      for (const expectCompressed of [YES, NO]) {
        const request = { payload, expectCompressed, responseSize: RESPONSE_BYTES };
        const reply = await client.unaryCall(request, { compress: expectCompressed.value });
        expect(reply.payload?.body).toHaveLength(RESPONSE_BYTES);
      }
      expect(travelled(stage, "requests", [REQUEST_BYTES, REQUEST_BYTES, REQUEST_BYTES])).toEqual([false, true, false]);
    });

    it("server_compressed_unary: a response is compressed if that is asked for", async (stage) => {
      const { client } = await stage.start(setting);
      for (const responseCompressed of [YES, NO]) {
        const reply = await client.unaryCall({ responseCompressed, responseSize: RESPONSE_BYTES });
        expect(reply.payload?.body).toHaveLength(RESPONSE_BYTES);
      }
      expect(travelled(stage, "responses", [RESPONSE_BYTES, RESPONSE_BYTES])).toEqual([true, false]);
    });

    it("client_compressed_streaming: requests are compressed as the call says, and the probe is not", async (stage) => {
      const { client } = await stage.start(setting);
      const probe = client.streamingInputCall({ compress: false });
      await probe.send({ payload: { body: zeros(27_182) }, expectCompressed: YES });
      expect(await failure(probe.response)).toMatchObject({ code: Code.INVALID_ARGUMENT });
      for (const expectCompressed of [YES, NO]) {
        const stream = client.streamingInputCall({ compress: expectCompressed.value });
        for (const size of [27_182, 45_904]) await stream.send({ payload: { body: zeros(size) }, expectCompressed });
        await stream.close();
        expect(await stream.response).toEqual({ aggregatedPayloadSize: 73_086 });
      }
      const plainBytes = [27_182, 27_182, 45_904, 27_182, 45_904];
      expect(travelled(stage, "requests", plainBytes)).toEqual([false, true, true, false, false]);
    });

    it("server_compressed_streaming: each response of a stream is compressed or not", async (stage) => {
      const { client } = await stage.start(setting);
      const responseParameters = [
        { size: 31_415, compressed: YES },
        { size: 92_653, compressed: NO },
        { size: 58_979, compressed: YES },
      ];
      const all = await collect(client.streamingOutputCall({ responseParameters }));
      expect(sizesOf(all)).toEqual([31_415, 92_653, 58_979]);
      expect(travelled(stage, "responses", [31_415, 92_653, 58_979])).toEqual([true, false, true]);
    });
  });

  it("what no call says is compressed by both ends' options", async (stage) => {
    const { client } = await stage.start({ client: { compression: "gzip" }, server: { compression: "br" } });
    await client.unaryCall({ payload: { body: zeros(REQUEST_BYTES) }, responseSize: RESPONSE_BYTES });
    const stream = client.fullDuplexCall();
    await stream.send({ payload: { body: zeros(20_000) }, responseParameters: [{ size: 30_000 }] });
    await stream.close();
    await collect(stream);
    expect(travelled(stage, "requests", [REQUEST_BYTES, 20_000])).toEqual([true, true]);
    expect(travelled(stage, "responses", [RESPONSE_BYTES, 30_000])).toEqual([true, true]);
    expect(stage.tap.requests.bytes).toBeLessThan(10_000);
    expect(stage.tap.responses.bytes).toBeLessThan(10_000);
  });

  it("nothing is compressed unless somebody says so", async (stage) => {
    const { client } = await stage.start();
    await client.unaryCall({ payload: { body: zeros(REQUEST_BYTES) }, responseSize: RESPONSE_BYTES });
    await collect(client.streamingOutputCall({ responseParameters: [{ size: 30_000 }] }));
    expect(travelled(stage, "requests", [REQUEST_BYTES, 0])).toEqual([false, false]);
    expect(travelled(stage, "responses", [RESPONSE_BYTES, 30_000])).toEqual([false, false]);
  });
});
