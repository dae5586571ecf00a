// The wire format once more, small and slow, written from the text of PROTOCOL.md alone. It shares no code with src/codec,
// so that the vectors are checked by something that cannot have the same mistake.

/** One metadata entry: text, or bytes in hex under a key that ends in -bin. */
export type Entry = { readonly key: string; readonly value: string } | { readonly key: string; readonly hex: string };

/** A control message by the names of proto/sluice/wire.proto; fields that have their default are absent. */
export type Control = { readonly [field: string]: unknown };

/**
 * What a payload holds, by type; `message` and `bytes` are hex. That of a first frame with MORE has `totalBytes` and the first
 * `bytes` of the whole payload.
 */
export interface Payload {
  readonly settings?: Control;
  readonly path?: string;
  readonly deadlineMs?: number;
  readonly metadata?: readonly Entry[];
  readonly headers?: readonly Entry[];
  readonly trailers?: readonly Entry[];
  readonly totalBytes?: number;
  readonly message?: string;
  readonly status?: Control;
  readonly bytes?: string;
  readonly increment?: number;
  readonly ttlMs?: number;
  readonly count?: number;
}

/** A frame with its fields named. */
export interface ReferenceFrame {
  readonly type: string;
  readonly number: number;
  readonly flags: readonly string[];
  readonly arg: number;
  readonly id: number;
  readonly payload: Payload;
}

/** Bytes that break the rules of the text. */
export class FormatError extends Error {
  override readonly name = "FormatError";
}

export const PREFACE_HEX = "f0534c554943450a";

/** Section 4, by number. */
export const TYPES: readonly (string | undefined)[] = [
  undefined,
  "SETTINGS",
  "METHOD",
  "REQUEST",
  "RESPONSE",
  "MESSAGE",
  "FRAGMENT",
  "CANCEL",
  "CREDIT",
  "PING",
  "PONG",
  "GOAWAY",
  "LEASE",
];

/** The flags of each type that has some, in the order of their bits. */
export const FLAGS: { readonly [type: string]: readonly (readonly [number, string])[] } = {
  REQUEST: [
    [0x01, "END"],
    [0x02, "METADATA"],
    [0x04, "DEADLINE"],
    [0x08, "ONE_WAY"],
    [0x10, "COMPRESSED"],
    [0x20, "MORE"],
    [0x40, "NO_MESSAGE"],
  ],
  RESPONSE: [
    [0x01, "END"],
    [0x02, "METADATA"],
    [0x04, "TRAILERS"],
    [0x08, "REFUSED"],
    [0x10, "COMPRESSED"],
    [0x20, "MORE"],
    [0x40, "NO_MESSAGE"],
  ],
  MESSAGE: [
    [0x01, "END"],
    [0x02, "METADATA"],
    [0x10, "COMPRESSED"],
    [0x20, "MORE"],
    [0x40, "NO_MESSAGE"],
  ],
  FRAGMENT: [[0x20, "MORE"]],
};

/** Settings and Status of wire.proto: number, name, kind. */
const SETTINGS_FIELDS = [
  [1, "min_version", "number"],
  [2, "max_version", "number"],
  [3, "max_frame_bytes", "number"],
  [4, "max_message_bytes", "number"],
  [5, "max_calls", "number"],
  [6, "max_metadata_bytes", "number"],
  [7, "max_methods", "number"],
  [8, "stream_window_bytes", "number"],
  [9, "connection_window_bytes", "number"],
  [10, "min_ping_interval_ms", "number"],
  [11, "compressions", "texts"],
  [12, "peer_id", "text"],
  [13, "agent", "text"],
  [14, "leases", "bool"],
] as const;
const DETAIL_FIELDS = [
  [1, "type_url", "text"],
  [2, "value", "hex"],
] as const;
const STATUS_FIELDS = [
  [1, "message", "text"],
  [2, "details", "details"],
  [3, "retry_after_ms", "number"],
  [4, "origin", "origin"],
] as const;
const ORIGINS = ["ORIGIN_LIBRARY", "ORIGIN_USER"];

type Field = readonly [number, string, string];

/** Takes bytes from the front. */
class Cursor {
  readonly bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get left(): number {
    return this.bytes.length - this.at;
  }

  take(count: number): Uint8Array {
    if (count > this.left) throw new FormatError(`${count} bytes are wanted, ${this.left} are left`);
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }

  integer(bytes: number): number {
    return this.take(bytes).reduceRight((sum, byte) => sum * 256 + byte, 0);
  }

  varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.integer(1);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw new FormatError("a varint of more than 10 bytes");
  }
}

function integer(value: number, bytes: number): number[] {
  return Array.from({ length: bytes }, (_, i) => Math.floor(value / 256 ** i) % 256);
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];
}

const toHex = (bytes: Uint8Array | readonly number[]): string => Buffer.from(bytes as Uint8Array).toString("hex");
const fromHex = (hex: string): number[] => [...Buffer.from(hex, "hex")];
const utf8 = (text: string): number[] => [...new TextEncoder().encode(text)];

function text(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new FormatError("not UTF-8");
  }
}

// Control messages

function encodeFields(fields: readonly Field[], control: Control): number[] {
  return fields.flatMap(([number, name, kind]) => {
    const value = control[name];
    if (value === undefined) return [];
    const delimited = (bytes: number[]): number[] => [...varint(number * 8 + 2), ...varint(bytes.length), ...bytes];
    switch (kind) {
      case "number":
        return [...varint(number * 8), ...varint(value as number)];
      case "bool":
        return [...varint(number * 8), 1];
      case "origin":
        return [...varint(number * 8), ORIGINS.indexOf(value as string)];
      case "text":
        return delimited(utf8(value as string));
      case "hex":
        return delimited(fromHex(value as string));
      case "texts":
        return (value as string[]).flatMap((each) => delimited(utf8(each)));
      default:
        return (value as Control[]).flatMap((each) => delimited(encodeFields(DETAIL_FIELDS, each)));
    }
  });
}

function decodeFields(fields: readonly Field[], bytes: Uint8Array): Control {
  const cursor = new Cursor(bytes);
  const control: Record<string, unknown> = {};
  while (cursor.left > 0) {
    const tag = Number(cursor.varint());
    const wire = tag & 7;
    if (wire !== 0 && wire !== 2) throw new FormatError(`wire type ${wire}`);
    const value = wire === 0 ? cursor.varint() : cursor.take(Number(cursor.varint()));
    const [, name, kind] = fields.find(([number]) => number === tag >>> 3) ?? [0, "", ""];
    if (typeof value === "bigint") {
      const low = Number(BigInt.asUintN(32, value));
      if (kind === "number" && low !== 0) control[name] = low;
      else if (kind === "bool") control[name] = value !== 0n;
      else if (kind === "origin" && low !== 0) control[name] = ORIGINS[low] ?? low;
    } else if (kind === "text") control[name] = text(value);
    else if (kind === "hex") control[name] = toHex(value);
    else if (kind === "texts") control[name] = [...((control[name] as string[]) ?? []), text(value)];
    else if (kind === "details")
      control[name] = [...((control[name] as Control[]) ?? []), decodeFields(DETAIL_FIELDS, value)];
  }
  return control;
}

export function encodeSettings(settings: Control): string {
  return toHex(encodeFields(SETTINGS_FIELDS, settings));
}

export function decodeSettings(hex: string): Control {
  return decodeFields(SETTINGS_FIELDS, Buffer.from(hex, "hex"));
}

export function encodeStatus(status: Control): string {
  return toHex(encodeFields(STATUS_FIELDS, status));
}

export function decodeStatus(hex: string): Control {
  return decodeFields(STATUS_FIELDS, Buffer.from(hex, "hex"));
}

// Metadata, section 7

export function encodeMetadata(entries: readonly Entry[]): string {
  const body = entries.flatMap((entry) => {
    const key = utf8(entry.key);
    const value = "hex" in entry ? fromHex(entry.hex) : utf8(entry.value);
    return [key.length, ...key, ...integer(value.length, 2), ...value];
  });
  return toHex([...integer(body.length, 2), ...body]);
}

export function decodeMetadata(hex: string): readonly Entry[] {
  const cursor = new Cursor(Buffer.from(hex, "hex"));
  const entries = takeMetadata(cursor);
  if (cursor.left > 0) throw new FormatError("bytes behind the block");
  return entries;
}

function takeMetadata(cursor: Cursor): readonly Entry[] {
  const block = new Cursor(cursor.take(cursor.integer(2)));
  const entries: Entry[] = [];
  while (block.left > 0) {
    const key = Buffer.from(block.take(block.integer(1))).toString("latin1");
    const value = Buffer.from(block.take(block.integer(2)));
    if (!/^[0-9a-z_.-]{1,255}$/.test(key)) throw new FormatError(`the key ${JSON.stringify(key)}`);
    if (key.endsWith("-bin")) entries.push({ key, hex: toHex(value) });
    else if (value.every((byte) => byte >= 0x20 && byte <= 0x7e))
      entries.push({ key, value: value.toString("latin1") });
    else throw new FormatError(`the value of ${key}`);
  }
  if (entries.length > 100) throw new FormatError(`${entries.length} entries`);
  return entries;
}

// Frames, sections 3 and 4

const carriesMessage = (type: string): boolean => type === "REQUEST" || type === "RESPONSE" || type === "MESSAGE";

function encodePayload({ type, payload: p }: Pick<ReferenceFrame, "type" | "payload">): string {
  const number = (value: number | undefined): string => (value === undefined ? "" : toHex(integer(value, 4)));
  const block = (entries: readonly Entry[] | undefined): string =>
    entries === undefined ? "" : encodeMetadata(entries);
  if (type === "SETTINGS") return encodeSettings(p.settings as Control);
  if (type === "METHOD") return toHex(utf8(p.path as string));
  if (type === "FRAGMENT") return p.bytes as string;
  if (p.totalBytes !== undefined) return number(p.totalBytes) + (p.bytes ?? "");
  if (type === "CREDIT") return number(p.increment);
  if (type === "LEASE") return number(p.ttlMs) + number(p.count);
  if (type === "GOAWAY") return encodeStatus(p.status as Control);
  if (!carriesMessage(type)) return "";
  return (
    number(p.deadlineMs) +
    block(p.metadata ?? p.headers) +
    block(p.trailers) +
    (p.status === undefined ? (p.message ?? "") : encodeStatus(p.status))
  );
}

function decodePayload(type: string, flags: readonly string[], arg: number, bytes: Uint8Array): Payload {
  const cursor = new Cursor(bytes);
  const rest = (): string => toHex(cursor.take(cursor.left));
  if (type === "SETTINGS") return { settings: decodeSettings(rest()) };
  if (type === "METHOD") return { path: text(bytes) };
  if (type === "FRAGMENT") return { bytes: rest() };
  if (type === "GOAWAY") return { status: decodeStatus(rest()) };
  const has = (flag: string): boolean => flags.includes(flag);
  if (carriesMessage(type) && has("MORE")) return decodeCut(cursor);
  const payload: Record<string, unknown> = {};
  if (type === "CREDIT") payload.increment = cursor.integer(4);
  if (type === "LEASE") Object.assign(payload, { ttlMs: cursor.integer(4), count: cursor.integer(4) });
  if (has("DEADLINE")) payload.deadlineMs = cursor.integer(4);
  if (has("METADATA")) payload[type === "REQUEST" ? "metadata" : "headers"] = takeMetadata(cursor);
  if (has("TRAILERS")) payload.trailers = takeMetadata(cursor);
  if (type === "RESPONSE" && arg !== 0) payload.status = decodeStatus(rest());
  else if (carriesMessage(type) && !has("NO_MESSAGE")) payload.message = rest();
  if (cursor.left > 0) throw new FormatError(`${cursor.left} bytes too many in a ${type}`);
  return payload;
}

function decodeCut(cursor: Cursor): Payload {
  const totalBytes = cursor.integer(4);
  if (cursor.left >= totalBytes) throw new FormatError(`MORE, with all ${totalBytes} bytes there`);
  return { totalBytes, bytes: toHex(cursor.take(cursor.left)) };
}

/** The bytes of a frame, in hex. */
export function encodeFrame(frame: Omit<ReferenceFrame, "number">): string {
  const payload = encodePayload(frame);
  const bits = (FLAGS[frame.type] ?? []).filter(([, name]) => frame.flags.includes(name));
  const flags = bits.reduce((sum, [bit]) => sum + bit, 0);
  const header = [
    ...integer(payload.length / 2, 4),
    TYPES.indexOf(frame.type),
    flags,
    ...integer(frame.arg, 2),
    ...integer(frame.id, 4),
  ];
  return toHex(header) + payload;
}

/** The one frame that `hex` is. Throws {@link FormatError}. */
export function decodeFrame(hex: string): ReferenceFrame {
  const cursor = new Cursor(Buffer.from(hex, "hex"));
  const length = cursor.integer(4);
  const number = cursor.integer(1);
  const bits = cursor.integer(1);
  const arg = cursor.integer(2);
  const id = cursor.integer(4);
  if (cursor.left !== length) throw new FormatError(`a length of ${length} before ${cursor.left} bytes`);
  const type = TYPES[number] ?? `TYPE_${number}`;
  const flags = (FLAGS[type] ?? []).filter(([bit]) => (bits & bit) !== 0).map(([, name]) => name);
  return { type, number, flags, arg, id, payload: decodePayload(type, flags, arg, cursor.take(length)) };
}

/**
 * The first frame and the fragments, in hex, that carry the frame `hex` with these numbers of bytes of its payload; what is
 * left goes into one more. Section 11.
 */
export function cutFrame(hex: string, ...bytes: readonly number[]): string[] {
  const { type, flags, arg, id } = decodeFrame(hex);
  const totalBytes = hex.length / 2 - 12;
  const parts: string[] = [];
  for (let at = 0; at < totalBytes; ) {
    const end = Math.min(totalBytes, at + (bytes[parts.length] ?? totalBytes));
    const part = hex.slice(24 + 2 * at, 24 + 2 * end);
    const more = end < totalBytes ? ["MORE"] : [];
    if (parts.length > 0)
      parts.push(encodeFrame({ type: "FRAGMENT", flags: more, arg: 0, id, payload: { bytes: part } }));
    else parts.push(encodeFrame({ type, flags: [...flags, ...more], arg, id, payload: { totalBytes, bytes: part } }));
    at = end;
  }
  return parts;
}

/** The one frame that a first frame and its fragments make. Throws {@link FormatError} if they do not add up. */
export function joinFrames(parts: readonly string[]): string {
  const [first, ...rest] = parts.map(decodeFrame);
  if (first === undefined || first.payload.totalBytes === undefined) throw new FormatError("no first frame");
  for (const [i, { type, flags, id }] of rest.entries()) {
    if (type !== "FRAGMENT" || id !== first.id) throw new FormatError(`${type} of call ${id} among fragments`);
    if (flags.includes("MORE") !== i < rest.length - 1) throw new FormatError("MORE is not on all but the last");
  }
  const payload = [first, ...rest].map((part) => part.payload.bytes).join("");
  if (payload.length !== 2 * first.payload.totalBytes)
    throw new FormatError(`${payload.length / 2} bytes of ${first.payload.totalBytes}`);
  const header = Buffer.from((parts[0] as string).slice(0, 24), "hex");
  header.writeUInt32LE(first.payload.totalBytes, 0);
  header[5] = (header[5] as number) & ~0x20;
  return header.toString("hex") + payload;
}

/** Cuts what one side has sent, without its preface, into frames. */
export function splitFrames(hex: string): string[] {
  const frames: string[] = [];
  for (let at = 0; at < hex.length; at += (frames.at(-1) as string).length) {
    const length = Buffer.from(hex, "hex").readUInt32LE(at / 2);
    frames.push(hex.slice(at, at + 2 * (12 + length)));
  }
  return frames;
}
