// The golden vectors of test/vectors, typed. PROTOCOL.md makes them part of the protocol; their README says what the fields mean.

import { readFileSync } from "node:fs";
import { availableCompressions, type Compression } from "../../src/codec/compression.js";
import type { Control, Entry, ReferenceFrame } from "./reference.js";

export type SideName = "dialing" | "accepting";

/** What every vector has. */
export interface Vector {
  readonly name: string;
  readonly section: string;
  readonly description: string;
  /** Something to compress with that the implementation may lack. */
  readonly needs?: Compression;
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

/** A frame and the first frame and fragments that it may travel in. */
export interface CutVector extends HexVector {
  readonly parts: readonly string[];
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
  readonly does?: "call" | "answer" | "cancel" | "drain" | "send" | "end" | "headers";
  readonly sees?: "call" | "result" | "cancel" | "message" | "end" | "headers";
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

/** A cell of the tables of section 4: a frame to one end of a call in a state, and what it means there. */
export interface StateVector extends Exchange {
  readonly cell: {
    readonly to: "callee" | "caller";
    readonly state: string;
    readonly frame: string;
    readonly outcome: string;
  };
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
  readonly receiverCalls?: { readonly id: number; readonly method?: string };
  readonly before: string;
  readonly outcome: Outcome;
}

/** The fields that hold hex. In it `(61*3)` stands for `616161`. */
const HEX_FIELDS = new Set(["hex", "parts", "message", "before", "sends", "plain"]);

function expand(hex: string): string {
  return hex.replace(/\(([0-9a-f]{2})\*(\d+)\)/g, (_, byte: string, times: string) => byte.repeat(Number(times)));
}

function load<T>(name: string): T {
  const text = readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), "utf8");
  return JSON.parse(text, (key, value: unknown) => {
    if (!HEX_FIELDS.has(key)) return value;
    if (typeof value === "string") return expand(value);
    return key === "parts" ? (value as string[]).map(expand) : value;
  }) as T;
}

const frameFile: { readonly vectors: readonly FrameVector[]; readonly cut: readonly CutVector[] } = load("frames");
export const frames: readonly FrameVector[] = frameFile.vectors;
export const cut: readonly CutVector[] = frameFile.cut;
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

const stateFile: { readonly prelude: readonly Step[]; readonly vectors: readonly StateVector[] } = load("states");
/** With the steps that each of them begins with. */
export const states: readonly StateVector[] = stateFile.vectors.map((vector) => ({
  ...vector,
  steps: [...stateFile.prelude, ...vector.steps],
}));

/** `[name, vector]`, for `it.each`; those that need what this Node.js lacks are left out. */
export function named<T extends Vector>(vectors: readonly T[]): [string, T][] {
  return vectors
    .filter(({ needs }) => needs === undefined || availableCompressions.includes(needs))
    .map((vector) => [`section ${vector.section}: ${vector.name}`, vector]);
}
