// The golden vectors of test/vectors, typed. PROTOCOL.md makes them part of the protocol; their README says what the fields mean.

import { readFileSync } from "node:fs";
import type { Control, Entry, ReferenceFrame } from "./reference.js";

export type SideName = "dialing" | "accepting";

/** What every vector has. */
export interface Vector {
  readonly name: string;
  readonly section: string;
  readonly description: string;
}

/** Vectors of one encoded thing. */
export interface HexVector extends Vector {
  readonly hex: string;
}

export interface FrameVector extends HexVector {
  readonly frame: ReferenceFrame;
  /** What a compressed message decompresses to. */
  readonly plain?: string;
}

export interface MetadataVector extends HexVector {
  readonly entries: readonly Entry[];
}

export interface StatusVector extends HexVector {
  readonly status: Control;
}

export interface SettingsVector extends HexVector {
  readonly settings: Control;
  /** What the fields mean once the initial values are filled in. */
  readonly means: Control;
  /** False: the bytes have more in them than the fields. */
  readonly reencodes?: false;
}

export interface InvalidSettings extends HexVector {
  readonly close: string;
}

/** A frame, or the preface, in an exchange. */
export interface SentFrame {
  readonly frame: string;
  readonly hex: string;
  /** The text of its Status is up to the implementation. */
  readonly anyText?: boolean;
}

/** One step of an exchange. */
export interface Step {
  readonly side?: SideName;
  readonly waitMs?: number;
  readonly does?: "call" | "answer" | "cancel" | "drain";
  readonly sees?: "call" | "result" | "cancel";
  readonly sends?: readonly SentFrame[];
  readonly oneWrite?: boolean;
  readonly ends?: boolean;
  readonly call?: string;
  readonly method?: string;
  readonly message?: string;
  readonly metadata?: readonly Entry[];
  readonly headers?: readonly Entry[];
  readonly trailers?: readonly Entry[];
  readonly deadlineMs?: number;
  readonly oneWay?: boolean;
  readonly refused?: boolean;
  readonly code?: string;
  readonly status?: Control;
}

export interface Exchange extends Vector {
  readonly alive?: readonly SideName[];
  readonly accepting?: Control;
  readonly steps: readonly Step[];
}

/** What a receiver does with malformed input; one of the fields is there, `sends` perhaps beside another. */
export interface Outcome {
  readonly close?: string;
  readonly closed?: true;
  readonly ignored?: true;
  readonly response?: { readonly id: number; readonly code: string; readonly flags: readonly string[] };
  readonly result?: string;
  readonly sends?: string;
}

export interface MalformedVector extends HexVector {
  readonly receiver: SideName | "either";
  readonly receiverCalls?: { readonly id: number };
  readonly before: string;
  readonly outcome: Outcome;
}

function load<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), "utf8")) as T;
}

export const frames: readonly FrameVector[] = load<{ vectors: FrameVector[] }>("frames").vectors;
export const metadata: { readonly valid: readonly MetadataVector[]; readonly invalid: readonly HexVector[] } =
  load("metadata");
export const status: {
  readonly vectors: readonly StatusVector[];
  readonly codes: readonly { readonly arg: number; readonly code: string }[];
  readonly invalid: readonly HexVector[];
} = load("status");
export const settings: { readonly valid: readonly SettingsVector[]; readonly invalid: readonly InvalidSettings[] } =
  load("settings");
export const exchanges: readonly Exchange[] = load<{ vectors: Exchange[] }>("exchanges").vectors;
export const malformed: readonly MalformedVector[] = load<{ vectors: MalformedVector[] }>("malformed").vectors;

/** `[name, vector]`, for `it.each`. */
export function named<T extends Vector>(vectors: readonly T[]): [string, T][] {
  return vectors.map((vector) => [`section ${vector.section}: ${vector.name}`, vector]);
}
