// The limits of a connection: their names, defaults and bounds, what one side announces of them, and what both sides
// make of the two announcements (PROTOCOL.md section 5). Every limit that a peer could push against is here.

import { availableCompressions } from "../codec/compression.js";
import { CloseReason, FrameError, PROTOCOL_VERSION } from "../codec/frame.js";
import { Code, localError } from "../codec/status.js";
import type { Settings, SettingsInit } from "../codec/wire.js";

/** What a sender may assume before the peer's SETTINGS frame has arrived, and the least that a peer may announce. */
export const INITIAL = {
  maxFrameBytes: 131_072,
  maxCalls: 128,
  maxMetadataBytes: 16_384,
  maxMethods: 1024,
  streamWindowBytes: 65_536,
  connectionWindowBytes: 1_048_576,
} as const;

/** The most credit that a stream or a connection may have, in bytes. */
export const MAX_CREDIT = 0x7fff_ffff;

/** The limits and times of a connection. Every one has a default; {@link LIMITS} says which values are allowed. */
export interface ConnectionLimits {
  /** The longest frame payload accepted, in bytes; a longer message comes in fragments. */
  readonly maxFrameBytes: number;
  /** The longest message accepted, with what travels ahead of it, in bytes; at least `maxFrameBytes`. */
  readonly maxMessageBytes: number;
  /** Calls that the peer may have open, and handlers that may run for it, at once. */
  readonly maxCallsPerConnection: number;
  /** The longest metadata block accepted, in bytes. */
  readonly maxMetadataBytes: number;
  /** Methods that the peer may define on a connection. */
  readonly maxMethods: number;
  /** Bytes that wait to be sent on a connection before new calls wait, and before reading from the peer stops; at twice as many its calls are refused. */
  readonly maxUnsentBytes: number;
  /** A peer that takes no byte for this long while some wait is closed, in milliseconds. */
  readonly slowReaderTimeoutMs: number;
  /** From the open socket to the peer's SETTINGS frame, in milliseconds. */
  readonly handshakeTimeoutMs: number;
  /** From the first byte of a frame to its last, in milliseconds. */
  readonly frameTimeoutMs: number;
  /** An idle connection is pinged when nothing was read for this long, in milliseconds. */
  readonly heartbeatIntervalMs: number;
  /** The same while a call is pending, in milliseconds. */
  readonly pendingHeartbeatIntervalMs: number;
  /** A peer that sends nothing for this long after a ping is dead, in milliseconds. */
  readonly heartbeatTimeoutMs: number;
  /** The peer is asked to leave this long between pings, in milliseconds; pings that come closer together are strikes. */
  readonly minPingIntervalMs: number;
  /**
   * Bytes that a connection may hold of requests that are being served, beyond which calls are refused; of messages whose
   * fragments are arriving; and of messages that wait to be sent in fragments.
   */
  readonly maxInFlightBytes: number;
  /** What a stream may send ahead of its reader, in bytes, and one message more. */
  readonly streamWindowBytes: number;
  /** What may travel of all streams and fragments at once, in bytes: small calls wait behind no more than this. */
  readonly connectionWindowBytes: number;
  /** Windows grow up to this where a line is long and fast, in bytes; one that begins larger stays as it is. */
  readonly maxWindowBytes: number;
  /** Bytes of streams that have arrived and wait for their readers; above it no stream of the connection is given credit. */
  readonly maxStreamBufferBytes: number;
  /** A message shorter than this is not compressed, in bytes. */
  readonly minCompressBytes: number;
  /** A stream whose reader takes nothing for this long while its writer waits is ended, in milliseconds. */
  readonly streamStallTimeoutMs: number;
}

/** The default, the least and the greatest value of each limit. */
export const LIMITS: { readonly [name in keyof ConnectionLimits]: readonly [number, number, number] } = {
  maxFrameBytes: [1_048_576, INITIAL.maxFrameBytes, 16_777_216],
  maxCallsPerConnection: [4096, 1, 65_536],
  maxMetadataBytes: [INITIAL.maxMetadataBytes, 1024, 65_535],
  // Not less than a peer may name before it has seen the announcement: METHOD has no answer that could refuse it.
  maxMethods: [INITIAL.maxMethods, INITIAL.maxMethods, 65_535],
  maxUnsentBytes: [4_194_304, 65_536, 1_073_741_824],
  slowReaderTimeoutMs: [10_000, 100, 600_000],
  handshakeTimeoutMs: [5_000, 10, 600_000],
  frameTimeoutMs: [30_000, 100, 600_000],
  heartbeatIntervalMs: [30_000, 100, 3_600_000],
  pendingHeartbeatIntervalMs: [5_000, 100, 3_600_000],
  heartbeatTimeoutMs: [5_000, 100, 600_000],
  minPingIntervalMs: [1_000, 0, 600_000],
  maxInFlightBytes: [67_108_864, 1_048_576, 4_294_967_296],
  maxMessageBytes: [16_777_216, INITIAL.maxFrameBytes, 4_294_967_295],
  streamWindowBytes: [262_144, INITIAL.streamWindowBytes, MAX_CREDIT],
  connectionWindowBytes: [1_048_576, INITIAL.connectionWindowBytes, MAX_CREDIT],
  maxWindowBytes: [16_777_216, INITIAL.streamWindowBytes, MAX_CREDIT],
  maxStreamBufferBytes: [67_108_864, 1_048_576, 4_294_967_296],
  minCompressBytes: [1_024, 0, 4_294_967_295],
  streamStallTimeoutMs: [60_000, 100, 3_600_000],
};

/** A peer may send this many pings too early before the connection is closed. */
export const MAX_PING_STRIKES = 2;
/** The longest method path accepted, in bytes. */
export const MAX_METHOD_PATH_BYTES = 512;
/** The longest peer id and agent accepted, in bytes. */
export const MAX_NAME_BYTES = 64;

/** Fills in the defaults. Throws `RpcError` INVALID_ARGUMENT, which names the limit and its range. */
export function resolveLimits(given: Partial<ConnectionLimits> = {}): ConnectionLimits {
  const limit = (name: keyof ConnectionLimits, value: number | undefined = given[name]): number => {
    const [fallback, least, greatest] = LIMITS[name];
    return checkLimit(name, value ?? fallback, least, greatest);
  };
  const maxMessageBytes = limit("maxMessageBytes");
  const maxFrameBytes = limit(
    "maxFrameBytes",
    given.maxFrameBytes ?? Math.min(LIMITS.maxFrameBytes[0], maxMessageBytes),
  );
  if (maxMessageBytes < maxFrameBytes) {
    throw localError(
      Code.INVALID_ARGUMENT,
      `maxMessageBytes: ${maxMessageBytes} is less than maxFrameBytes, ${maxFrameBytes}`,
      "never",
    );
  }
  // Written out: an object whose keys come from a loop is a dictionary to the engine, and these are read for each call.
  return Object.freeze({
    maxFrameBytes,
    maxMessageBytes,
    maxCallsPerConnection: limit("maxCallsPerConnection"),
    maxMetadataBytes: limit("maxMetadataBytes"),
    maxMethods: limit("maxMethods"),
    maxUnsentBytes: limit("maxUnsentBytes"),
    slowReaderTimeoutMs: limit("slowReaderTimeoutMs"),
    handshakeTimeoutMs: limit("handshakeTimeoutMs"),
    frameTimeoutMs: limit("frameTimeoutMs"),
    heartbeatIntervalMs: limit("heartbeatIntervalMs"),
    pendingHeartbeatIntervalMs: limit("pendingHeartbeatIntervalMs"),
    heartbeatTimeoutMs: limit("heartbeatTimeoutMs"),
    minPingIntervalMs: limit("minPingIntervalMs"),
    maxInFlightBytes: limit("maxInFlightBytes"),
    streamWindowBytes: limit("streamWindowBytes"),
    connectionWindowBytes: limit("connectionWindowBytes"),
    maxWindowBytes: limit("maxWindowBytes"),
    maxStreamBufferBytes: limit("maxStreamBufferBytes"),
    minCompressBytes: limit("minCompressBytes"),
    streamStallTimeoutMs: limit("streamStallTimeoutMs"),
  });
}

/** `value`, if it is a number between `least` and `greatest`. Throws `RpcError` INVALID_ARGUMENT otherwise. */
export function checkLimit(name: string, value: number, least: number, greatest: number): number {
  if (typeof value === "number" && value >= least && value <= greatest) return value;
  throw localError(Code.INVALID_ARGUMENT, `${name}: ${String(value)} is not between ${least} and ${greatest}`, "never");
}

/** What this side announces. */
export function announcement(limits: ConnectionLimits, peerId: string, agent: string, leases: boolean): SettingsInit {
  return {
    minVersion: PROTOCOL_VERSION,
    maxVersion: PROTOCOL_VERSION,
    maxFrameBytes: limits.maxFrameBytes,
    maxMessageBytes: limits.maxMessageBytes,
    maxCalls: limits.maxCallsPerConnection,
    maxMetadataBytes: limits.maxMetadataBytes,
    maxMethods: limits.maxMethods,
    streamWindowBytes: limits.streamWindowBytes,
    connectionWindowBytes: limits.connectionWindowBytes,
    minPingIntervalMs: limits.minPingIntervalMs,
    compressions: availableCompressions,
    leases,
    peerId,
    agent,
  };
}

/** What a side may send, as the peer has announced it; {@link beforeSettings} until it has. */
export interface PeerLimits {
  readonly maxFrameBytes: number;
  /** Equal to `maxFrameBytes` for a peer that takes no fragments. */
  readonly maxMessageBytes: number;
  readonly maxCalls: number;
  readonly maxMetadataBytes: number;
  readonly maxMethods: number;
  readonly streamWindowBytes: number;
  readonly connectionWindowBytes: number;
  readonly minPingIntervalMs: number;
  /** What the peer can decompress, by name; names that this side does not know among them. */
  readonly compressions: readonly string[];
  /** True for a peer that takes only calls for which it has given a lease. */
  readonly leases: boolean;
  readonly peerId: string;
  readonly agent: string;
}

/** What holds until the peer has announced its own. */
export const beforeSettings: PeerLimits = Object.freeze({
  ...INITIAL,
  maxMessageBytes: INITIAL.maxFrameBytes,
  minPingIntervalMs: 0,
  compressions: [],
  leases: false,
  peerId: "",
  agent: "",
});

/** The peer's announcement with the protocol's defaults filled in. Throws {@link FrameError} for one that cannot be. */
export function readSettings(settings: Settings): PeerLimits {
  if (settings.minVersion > PROTOCOL_VERSION || settings.maxVersion < PROTOCOL_VERSION) {
    throw new FrameError(
      CloseReason.UNSUPPORTED_VERSION,
      `the peer speaks protocol versions ${settings.minVersion} to ${settings.maxVersion}; this side speaks ${PROTOCOL_VERSION}`,
    );
  }
  const maxFrameBytes = announced(settings, "maxFrameBytes", INITIAL.maxFrameBytes, LIMITS.maxFrameBytes);
  const { streamWindowBytes, connectionWindowBytes } = INITIAL;
  return {
    maxFrameBytes,
    maxMessageBytes: announced(settings, "maxMessageBytes", maxFrameBytes, [0, maxFrameBytes, 0xffff_ffff]),
    streamWindowBytes: announced(settings, "streamWindowBytes", streamWindowBytes, LIMITS.streamWindowBytes),
    connectionWindowBytes: announced(
      settings,
      "connectionWindowBytes",
      connectionWindowBytes,
      LIMITS.connectionWindowBytes,
    ),
    maxCalls: announced(settings, "maxCalls", INITIAL.maxCalls, LIMITS.maxCallsPerConnection),
    maxMetadataBytes: announced(settings, "maxMetadataBytes", INITIAL.maxMetadataBytes, LIMITS.maxMetadataBytes),
    maxMethods: announced(settings, "maxMethods", INITIAL.maxMethods, LIMITS.maxMethods),
    minPingIntervalMs: announced(settings, "minPingIntervalMs", 0, LIMITS.minPingIntervalMs),
    compressions: settings.compressions,
    leases: settings.leases,
    peerId: checkName("peer_id", settings.peerId),
    agent: checkName("agent", settings.agent),
  };
}

type NumberField = { [key in keyof Settings]: Settings[key] extends number ? key : never }[keyof Settings];

/** One limit that the peer has announced; `initial` where it said nothing. */
function announced(
  settings: Settings,
  field: NumberField,
  initial: number,
  [, least, greatest]: readonly [number, number, number],
): number {
  const value = settings[field];
  if (value === 0) return initial;
  if (value >= least && value <= greatest) return value;
  throw new FrameError(
    CloseReason.PROTOCOL_ERROR,
    `SETTINGS ${field} is ${value}; allowed are ${least} to ${greatest}`,
  );
}

function checkName(name: string, value: string): string {
  if (Buffer.byteLength(value) <= MAX_NAME_BYTES) return value;
  throw new FrameError(CloseReason.PROTOCOL_ERROR, `SETTINGS ${name} is longer than ${MAX_NAME_BYTES} bytes`);
}
