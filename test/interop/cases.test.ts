// gRPC's interop cases (grpc/grpc, doc/interop-test-descriptions.md), by their names and with their numbers, as far as they
// are about calls and not about HTTP/2 or credentials.

import { describe, expect } from "vitest";
import { Code, type Metadata, type MetadataValue } from "../../src/index.js";
import { failure } from "../support/rig.js";
import { type TestServiceClient, UnimplementedServiceClient } from "./gen/grpc/testing/test.js";
import { ECHO_INITIAL, ECHO_TRAILING } from "./service.js";
import { onEachTransport } from "./stage.js";
import { collect, sizesOf, zeros } from "./streams.js";

const REQUEST_BYTES = 271_828;
const RESPONSE_BYTES = 314_159;
const REQUEST_SIZES: readonly number[] = [27_182, 8, 1_828, 45_904];
const RESPONSE_SIZES: readonly number[] = [31_415, 9, 2_653, 58_979];
const TEST_STATUS = { code: 2, message: "test status message" };
const SPECIAL_STATUS = { code: 2, message: "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n" };
const METADATA = { [ECHO_INITIAL]: "test_initial_metadata_value", [ECHO_TRAILING]: new Uint8Array([0xab, 0xab, 0xab]) };

const largeRequest = { responseSize: RESPONSE_BYTES, payload: { body: zeros(REQUEST_BYTES) } };
/** The request for one response. */
const asking = (size: number, requestBytes = 0) => ({
  responseParameters: [{ size }],
  payload: { body: zeros(requestBytes) },
});

async function callLarge(client: TestServiceClient): Promise<void> {
  const { payload } = await client.unaryCall(largeRequest);
  expect(payload?.body).toHaveLength(RESPONSE_BYTES);
}

function expectEchoed(headers: Metadata | undefined, trailers: Metadata | undefined): void {
  const entries = (metadata: Metadata | undefined): [string, MetadataValue][] => [...(metadata ?? [])];
  expect(entries(headers)).toEqual([[ECHO_INITIAL, METADATA[ECHO_INITIAL]]]);
  expect(entries(trailers).map(([key, value]) => [key, Buffer.from(value as Uint8Array).toString("hex")])).toEqual([
    [ECHO_TRAILING, "ababab"],
  ]);
}

onEachTransport((it) => {
  describe("unary", () => {
    it("empty_unary: an empty request has an empty response", async (stage) => {
      const { client } = await stage.start();
      expect(await client.emptyCall({})).toEqual({});
      expect(stage.tap.requests.messages.at(-1)).toMatchObject({ bytes: 4 });
      expect(stage.tap.responses.messages.at(-1)).toMatchObject({ bytes: 0 });
    });

    it("large_unary: 271,828 bytes go there and 314,159 come back", async (stage) => {
      const { client } = await stage.start();
      await callLarge(client);
    });

    it("concurrent_large_unary: 1,000 of them at once", async (stage) => {
      // They wait as 272 MB, of which a channel would hold 64 MiB.
      const { client } = await stage.start({ client: { maxWaitingBytes: 300_000_000 } });
      await Promise.all(Array.from({ length: 1_000 }, () => callLarge(client)));
    });
  });

  describe("streams", () => {
    it("client_streaming: four requests are added up to 74,922", async (stage) => {
      const { client } = await stage.start();
      const stream = client.streamingInputCall();
      for (const size of REQUEST_SIZES) await stream.send({ payload: { body: zeros(size) } });
      await stream.close();
      expect(await stream.response).toEqual({ aggregatedPayloadSize: 74_922 });
    });

    it("server_streaming: four responses of the sizes that were asked for, in order", async (stage) => {
      const { client } = await stage.start();
      const responseParameters = RESPONSE_SIZES.map((size) => ({ size }));
      const all = await collect(client.streamingOutputCall({ responseParameters }));
      expect(sizesOf(all)).toEqual(RESPONSE_SIZES);
    });

    it("ping_pong: each request is answered before the next one is sent", async (stage) => {
      const { client } = await stage.start();
      const stream = client.fullDuplexCall();
      for (const [i, size] of RESPONSE_SIZES.entries()) {
        await stream.send(asking(size, REQUEST_SIZES[i]));
        const { value } = await stream.next();
        expect(value?.payload?.body).toHaveLength(size);
      }
      await stream.close();
      expect(await stream.next()).toEqual({ done: true, value: undefined });
    });

    it("empty_stream: no request, no response, and all is well", async (stage) => {
      const { client } = await stage.start();
      const stream = client.fullDuplexCall();
      await stream.close();
      expect(await collect(stream)).toEqual([]);
    });

    it("half_duplex: the responses come once the last request was sent", async (stage) => {
      const { client } = await stage.start();
      const stream = client.halfDuplexCall();
      for (const size of RESPONSE_SIZES) await stream.send(asking(size));
      await client.emptyCall({});
      expect(stage.tap.responses.messages).toHaveLength(1);
      await stream.close();
      expect(sizesOf(await collect(stream))).toEqual(RESPONSE_SIZES);
    });
  });

  describe("metadata and status", () => {
    it("custom_metadata: text comes back ahead of the response and bytes behind it, of a unary call", async (stage) => {
      const { client } = await stage.start();
      let told: [Metadata, Metadata] | undefined;
      await client.unaryCall(largeRequest, {
        metadata: METADATA,
        onResponseMetadata: (headers, trailers) => {
          told = [headers, trailers];
        },
      });
      expectEchoed(told?.[0], told?.[1]);
    });

    it("custom_metadata: text comes back ahead of the first response and bytes behind the last, full duplex", async (stage) => {
      const { client } = await stage.start();
      const stream = client.fullDuplexCall({ metadata: METADATA });
      await stream.send(asking(RESPONSE_BYTES, REQUEST_BYTES));
      await stream.next();
      const headers = await stream.headers;
      await stream.close();
      expect((await stream.next()).done).toBe(true);
      expectEchoed(headers, await stream.trailers);
    });

    it("status_code_and_message: of a unary call", async (stage) => {
      const { client } = await stage.start();
      expect(await failure(client.unaryCall({ responseStatus: TEST_STATUS }))).toMatchObject(TEST_STATUS);
    });

    it("status_code_and_message: full duplex, once", async (stage) => {
      const { client } = await stage.start();
      const stream = client.fullDuplexCall();
      await stream.send({ responseStatus: TEST_STATUS });
      expect(await failure(stream.next())).toMatchObject(TEST_STATUS);
      expect(await stream.next()).toEqual({ done: true, value: undefined });
    });

    it("special_status_message: whitespace and characters of all planes stay as they are", async (stage) => {
      const { client } = await stage.start();
      expect(await failure(client.unaryCall({ responseStatus: SPECIAL_STATUS }))).toMatchObject(SPECIAL_STATUS);
      const stream = client.streamingOutputCall({ responseStatus: SPECIAL_STATUS });
      expect(await failure(stream.next())).toMatchObject(SPECIAL_STATUS);
    });

    it("unimplemented_method: of a service that is served", async (stage) => {
      const { client } = await stage.start();
      expect(await failure(client.unimplementedCall({}))).toMatchObject({ code: Code.UNIMPLEMENTED });
      await client.emptyCall({});
    });

    it("unimplemented_service: of which no method is served", async (stage) => {
      const { client, channel } = await stage.start();
      const other = new UnimplementedServiceClient(channel);
      expect(await failure(other.unimplementedCall({}))).toMatchObject({ code: Code.UNIMPLEMENTED });
      await client.emptyCall({});
    });
  });

  describe("calls that end early", () => {
    it("cancel_after_begin: a stream that has sent nothing ends CANCELLED", async (stage) => {
      const { client } = await stage.start();
      const stream = client.streamingInputCall({ metadata: METADATA });
      stream.cancel();
      expect(await failure(stream.response)).toMatchObject({ code: Code.CANCELLED });
    });

    it("cancel_after_first_response: a stream that is under way ends CANCELLED", async (stage) => {
      const { client, server } = await stage.start();
      const stream = client.fullDuplexCall();
      await stream.send(asking(31_415, 27_182));
      expect((await stream.next()).value?.payload?.body).toHaveLength(31_415);
      stream.cancel();
      expect(await failure(stream.next())).toMatchObject({ code: Code.CANCELLED });
      await stage.until("the handler has ended", () => server.stats().running === 0);
    });

    it("timeout_on_sleeping_server: a stream whose server sleeps ends DEADLINE_EXCEEDED", async (stage) => {
      const { client, server } = await stage.start();
      const stream = client.fullDuplexCall({ timeoutMs: 20 });
      const sending = stream.send({
        responseParameters: [{ size: 31_415, intervalUs: 10_000_000 }],
        payload: { body: zeros(27_182) },
      });
      await Promise.allSettled([sending]);
      expect(await failure(stream.next())).toMatchObject({ code: Code.DEADLINE_EXCEEDED });
      await stage.until("the handler has ended", () => server.stats().running === 0);
    });
  });
});
