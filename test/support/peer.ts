// The scripted peer of `sluice/testing`, in the words that our own tests use: messages are those of the Echo service.

import { Flag, FrameType } from "../../src/codec/frame.js";
import { Status, type StatusInit } from "../../src/codec/wire.js";
import { frames } from "../../src/testing.js";
import { Message, type MessageInit } from "./gen/support/v1/echo.js";

export { type Frame, FrameReader, ScriptedPeer } from "../../src/testing.js";

export const frame: typeof frames.frame = frames.frame;
export const hello: typeof frames.hello = frames.hello;
export const settings: typeof frames.settings = frames.settings;
export const method: typeof frames.method = frames.method;
export const credit: typeof frames.credit = frames.credit;
export const cut: typeof frames.cut = frames.cut;

const typeNames = new Map(Object.entries(FrameType).map(([name, type]) => [type as number, name]));

/** `"RESPONSE"` for 4. */
export function typeName(type: number): string {
  return typeNames.get(type) ?? `TYPE_${type}`;
}

/** A unary REQUEST without deadline or metadata. */
export function request(id: number, arg: number, message: MessageInit = {}, flags: number = Flag.END): Buffer {
  return frames.request(id, arg, Message.toBytes(message), flags);
}

/** An OK RESPONSE. */
export function response(id: number, message: MessageInit = {}): Buffer {
  return frames.response(id, Message.toBytes(message));
}

/** A MESSAGE of a stream. */
export function message(id: number, init: MessageInit = {}, flags = 0): Buffer {
  return frames.message(id, Message.toBytes(init), flags);
}

/** A RESPONSE with an error, or a GOAWAY. */
export function status(type: number, arg: number, init: StatusInit = {}, id = 0, flags = 0): Buffer {
  return frame(type, { arg, id, flags, payload: Status.toBytes(init) });
}
