// What the processes of the benchmark of many connections tell each other.

import type { PushLoad } from "./options.js";

/** Memory of a process after its garbage was collected, in bytes. */
export interface Footprint {
  readonly rssBytes: number;
  /** V8's used heap. */
  readonly heapBytes: number;
  /** What V8's objects keep outside of the heap, array buffers among it. */
  readonly externalBytes: number;
}

/** A server whose connections were left alone. */
export interface IdleReport {
  readonly connections: number;
  /** Before the first connection. */
  readonly before: Footprint;
  readonly after: Footprint;
  /** Of a core, as a share. */
  readonly cpu: number;
}

/** A server that pushed. */
export interface PushReport {
  /** Connections when it was over. */
  readonly connections: number;
  /** Updates in all, and of those the ones whose times count. */
  readonly sent: number;
  readonly measured: number;
  readonly sentBytes: number;
  /** The most updates that waited for one subscriber. */
  readonly longestBacklog: number;
  /** How late updates were made, of 99% at most: what of their times is the generator's own. */
  readonly lateP99Ms: number;
  /** What 99.99% of the event loop's delays did not exceed, and the longest; the millisecond between looks is in them. */
  readonly delayP9999Ms: number;
  readonly longestDelayMs: number;
  readonly delays: number;
  /** Collections of the old generation, and the longest pause of any. */
  readonly majorCollections: number;
  readonly longestCollectionMs: number;
  /** How long the server was ready to run while others had its core. */
  readonly waitedForCoreMs: number;
  /** The used heap after a collection, at its time since the first. */
  readonly heap: readonly HeapPoint[];
  readonly cpu: number;
}

/** The used heap at some time. */
export interface HeapPoint {
  readonly minutes: number;
  readonly bytes: number;
}

/** What a client process got. */
export interface Received {
  readonly updates: number;
  /** Updates that were not the next one of their subscription. */
  readonly outOfOrder: number;
  /** Milliseconds from when an update was due until it was here, of those that count. */
  readonly tookMs: Float32Array;
  readonly rssBytes: number;
}

/** To the server process. */
export type ToServer =
  | { readonly type: "idle"; readonly seconds: number }
  | { readonly type: "push"; readonly load: PushLoad };

/** From the server process. */
export type FromServer =
  | { readonly type: "listening"; readonly address: string }
  | { readonly type: "idled"; readonly report: IdleReport }
  | { readonly type: "pushed"; readonly report: PushReport };

/** To a client process. */
export type ToClient = { readonly type: "subscribe"; readonly active: number } | { readonly type: "count" };

/** From a client process. */
export type FromClient =
  | { readonly type: "connected" }
  | { readonly type: "subscribed" }
  | { readonly type: "counted"; readonly received: Received };
