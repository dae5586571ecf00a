// How a status travels: RpcError to Status message and back (PROTOCOL.md section 8).

import { beginFrame, endFrame, FrameType } from "../codec/frame.js";
import { Code, codeFrom, type ErrorDetail, type RetrySafety, RpcError } from "../codec/status.js";
import { Origin, Status, type StatusInit } from "../codec/wire.js";
import type { Writer } from "../codec/writer.js";

/** A longer status text is cut, in UTF-16 units. */
export const MAX_STATUS_TEXT = 4096;

/** Appends the Status message of `error`; without its details if they would take it beyond `maxBytes`. */
export function encodeStatus(error: RpcError, writer: Writer, maxBytes: number): void {
  const status: StatusInit = {
    message: error.message.slice(0, MAX_STATUS_TEXT),
    retryAfterMs: Math.max(0, Math.min(0xffff_ffff, Math.ceil(error.retryAfterMs || 0))),
    origin: error.origin === "user" ? Origin.ORIGIN_USER : Origin.ORIGIN_LIBRARY,
    details: error.details as ErrorDetail[],
  };
  const mark = writer.pos - writer.start;
  Status.encode(status, writer);
  if (writer.pos - writer.start - mark <= maxBytes) return;
  writer.pos = writer.start + mark;
  Status.encode({ ...status, details: [] }, writer);
}

/** The code that an error travels with: one that a handler made up, or OK, is UNKNOWN. */
export function errorCode(error: RpcError): Code {
  return codeFrom(error.code) || Code.UNKNOWN;
}

/** Appends a RESPONSE frame without metadata that carries `error`. */
export function writeStatusFrame(
  writer: Writer,
  id: number,
  flags: number,
  error: RpcError,
  maxFrameBytes: number,
): void {
  beginFrame(writer);
  encodeStatus(error, writer, maxFrameBytes);
  endFrame(writer, FrameType.RESPONSE, flags, errorCode(error), id);
}

/** The error that a Status message in `buf[start, end)` describes. Throws `DecodeError`. */
export function decodeStatus(
  buf: Buffer,
  start: number,
  end: number,
  code: number,
  context: string,
  retry: RetrySafety,
): RpcError {
  const status = Status.decode(buf, start, end, 0);
  const isUser = status.origin === Origin.ORIGIN_USER;
  return new RpcError(codeFrom(code), isUser ? status.message : `${status.message} (${context})`, {
    details: status.details,
    origin: isUser ? "user" : "remote",
    retry,
    retryAfterMs: status.retryAfterMs === 0 ? undefined : status.retryAfterMs,
  });
}
