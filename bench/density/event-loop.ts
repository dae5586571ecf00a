// How long the event loop was held up, by collections of garbage among other things, and how long this thread waited while
// others had its core: where that is much, the machine was not quiet and the rest says little.

import { readFileSync } from "node:fs";
import {
  constants,
  type IntervalHistogram,
  monitorEventLoopDelay,
  type PerformanceEntry,
  PerformanceObserver,
} from "node:perf_hooks";

/** What Node's declarations do not say of an entry about a collection. */
interface CollectionEntry extends PerformanceEntry {
  readonly detail: { readonly kind: number };
}

/** Watches this process's event loop from when it is made until {@link EventLoopWatch.stop}. */
export class EventLoopWatch {
  majorCollections = 0;
  longestCollectionMs = 0;
  /** What this thread was ready to run for while its core was taken, in milliseconds; known when stopped, 0 where Linux does not say. */
  waitedForCoreMs = 0;
  private readonly waitedBefore = readWaitedMs();
  private readonly histogram: IntervalHistogram;
  private readonly observer: PerformanceObserver;

  constructor() {
    this.histogram = monitorEventLoopDelay({ resolution: 1 });
    this.histogram.enable();
    this.observer = new PerformanceObserver((entries) => {
      for (const entry of entries.getEntries()) {
        const { duration, detail } = entry as CollectionEntry;
        if (detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) this.majorCollections++;
        this.longestCollectionMs = Math.max(this.longestCollectionMs, duration);
      }
    });
    this.observer.observe({ entryTypes: ["gc"] });
  }

  stop(): void {
    this.waitedForCoreMs = readWaitedMs() - this.waitedBefore;
    this.histogram.disable();
    this.observer.disconnect();
  }

  /** How often was looked. */
  get delays(): number {
    return this.histogram.count;
  }

  /** What `percent` of the delays did not exceed, in milliseconds; the one between two looks is in them. */
  percentileMs(percent: number): number {
    return this.histogram.count === 0 ? 0 : this.histogram.percentile(percent) / 1e6;
  }

  get longestMs(): number {
    return this.histogram.count === 0 ? 0 : this.histogram.max / 1e6;
  }
}

/** Since this thread began: the second number of Linux's `schedstat`. */
function readWaitedMs(): number {
  try {
    return Number(readFileSync("/proc/self/schedstat", "latin1").split(" ")[1]) / 1e6;
  } catch {
    return 0;
  }
}
