// How long the event loop was held up, and by collections of garbage among other things.

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
