// The limits of a connection: their names, defaults and bounds, what one side announces of them, and what both sides
// make of the two announcements (PROTOCOL.md section 5). Every limit that a peer could push against is here.

import { CloseReason, FrameError, PROTOCOL_VERSION } from "../codec/frame.js";
import { Code, localError } from "../codec/status.js";
import type { Settings, SettingsInit } from "../codec/wire.js";

/** What a sender may assume before the peer's SETTINGS frame has arrived, and the least that a peer may announce. */
export const INITIAL = { maxFrameBytes: 131_072, maxCalls: 128, maxMetadataBytes: 16_384, maxMethods: 1024 } as const;

/** The limits and times of a connection. Every one has a default; {@link LIMITS} says which values are allowed. */
export interface ConnectionLimits {
  /** The longest frame payload accepted, in bytes. Until messages are fragmented it also bounds a message. */
  readonly maxFrameBytes: number;
  /** Calls that the peer may have open, and handlers that may run for it, at once. */
  readonly maxCallsPerConnection: number;
  /** The longest metadata block accepted, in bytes. */
  readonly maxMetadataBytes: number;
  /** Methods that the peer may define on a connection. */
  readonly maxMethods: number;
  /** Bytes that wait to be sent on a connection before new calls wait, and before reading from the peer stops. */
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
  /** Request bytes of calls that are being served on a connection; calls beyond are refused. */
  readonly maxInFlightBytes: number;
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
};

/** The most credit that a stream or a connection may have, in bytes. */
export const MAX_CREDIT = 0x7fff_ffff;
/** A peer may send this many pings too early before the connection is closed. */
export const MAX_PING_STRIKES = 2;
/** The longest method path accepted, in bytes. */
export const MAX_METHOD_PATH_BYTES = 512;
/** The longest peer id and agent accepted, in bytes. */
export const MAX_NAME_BYTES = 64;

/** Fills in the defaults. Throws `RpcError` INVALID_ARGUMENT, which names the limit and its range. */
export function resolveLimits(given: Partial<ConnectionLimits> = {}): ConnectionLimits {
  const limits: Record<string, number> = {};
  for (const [name, [fallback, least, greatest]] of Object.entries(LIMITS)) {
    limits[name] = checkLimit(name, given[name as keyof ConnectionLimits] ?? fallback, least, greatest);
  }
  return Object.freeze(limits) as unknown as ConnectionLimits;
}

/** `value`, if it is a number between `least` and `greatest`. Throws `RpcError` INVALID_ARGUMENT otherwise. */
export function checkLimit(name: string, value: number, least: number, greatest: number): number {
  if (typeof value === "number" && value >= least && value <= greatest) return value;
  throw localError(Code.INVALID_ARGUMENT, `${name}: ${String(value)} is not between ${least} and ${greatest}`, "never");
}

/** What this side announces. */
export function announcement(limits: ConnectionLimits, peerId: string, agent: string): SettingsInit {
  return {
    minVersion: PROTOCOL_VERSION,
    maxVersion: PROTOCOL_VERSION,
    maxFrameBytes: limits.maxFrameBytes,
    maxMessageBytes: limits.maxFrameBytes,
    maxCalls: limits.maxCallsPerConnection,
    maxMetadataBytes: limits.maxMetadataBytes,
    maxMethods: limits.maxMethods,
    minPingIntervalMs: limits.minPingIntervalMs,
    peerId,
    agent,
  };
}

/** What a side may send, as the peer has announced it; {@link beforeSettings} until it has. */
export interface PeerLimits {
  readonly maxFrameBytes: number;
  readonly maxCalls: number;
  readonly maxMetadataBytes: number;
  readonly maxMethods: number;
  readonly minPingIntervalMs: number;
  readonly peerId: string;
  readonly agent: string;
}

/** What holds until the peer has announced its own. */
export const beforeSettings: PeerLimits = Object.freeze({
  maxFrameBytes: INITIAL.maxFrameBytes,
  maxCalls: INITIAL.maxCalls,
  maxMetadataBytes: INITIAL.maxMetadataBytes,
  maxMethods: INITIAL.maxMethods,
  minPingIntervalMs: 0,
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
  announced(settings, "maxMessageBytes", maxFrameBytes, [0, maxFrameBytes, 0xffff_ffff]);
  announced(settings, "streamWindowBytes", 0, [0, 0, MAX_CREDIT]);
  announced(settings, "connectionWindowBytes", 0, [0, 0, MAX_CREDIT]);
  return {
    maxFrameBytes,
    maxCalls: announced(settings, "maxCalls", INITIAL.maxCalls, LIMITS.maxCallsPerConnection),
    maxMetadataBytes: announced(settings, "maxMetadataBytes", INITIAL.maxMetadataBytes, LIMITS.maxMetadataBytes),
    maxMethods: announced(settings, "maxMethods", INITIAL.maxMethods, LIMITS.maxMethods),
    minPingIntervalMs: announced(settings, "minPingIntervalMs", 0, LIMITS.minPingIntervalMs),
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
