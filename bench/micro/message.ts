// The generated codec: the echo message with 100 bytes of payload, as the transport encodes and decodes it.

import { Writer } from "sluice/runtime";
import { EchoMessage } from "../gen/bench/v1/echo.js";
import type { MicroCase } from "../lib/micro.js";

/** Results go here, so that no operation can be optimized away. */
const sink: { last: unknown } = { last: undefined };

/** The cases. */
export function messageCases(): MicroCase[] {
  const message = { id: 2n ** 40n, name: "0123456789", payload: new Uint8Array(100).fill(7) };
  const bytes = Buffer.from(EchoMessage.toBytes(message));
  const writer = new Writer();
  const encode = (times: number): void => {
    for (let i = 0; i < times; i++) {
      writer.start = writer.pos = 0;
      EchoMessage.encode(message, writer);
    }
    sink.last = writer.buf[0];
  };
  const decode = (times: number): void => {
    for (let i = 0; i < times; i++) sink.last = EchoMessage.decode(bytes, 0, bytes.length, 0);
  };
  return [
    { subject: "encode a message of 100 B", way: "generated", run: encode },
    { subject: "decode a message of 100 B", way: "generated", run: decode },
  ];
}
