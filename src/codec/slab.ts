// The buffer pool: buffers in size classes (powers of two), handed out on lease. It holds what the outbox and the
// splitter write into, never what user code can reach. Invariant: every lease is released exactly once; the debug mode
// proves it by poisoning freed slabs, refusing a second release, and naming the owners of open leases.

/** The smallest size class, in bytes. */
export const MIN_SLAB_BYTES = 1024;
/** The largest size class that is kept for reuse, in bytes; larger leases are allocated and dropped. */
export const MAX_POOLED_SLAB_BYTES = 1_048_576;
/** How many bytes of free slabs a pool keeps, by default. */
export const DEFAULT_MAX_FREE_BYTES = 16_777_216;

const MIN_CLASS = Math.log2(MIN_SLAB_BYTES);
const CLASSES = Math.log2(MAX_POOLED_SLAB_BYTES) - MIN_CLASS + 1;
const POISON = 0xdb;

/** How a {@link SlabPool} is set up. */
export interface SlabPoolOptions {
  /** Free slabs beyond this many bytes are left to the garbage collector. Default {@link DEFAULT_MAX_FREE_BYTES}. */
  readonly maxFreeBytes?: number;
  /** Poison freed slabs, refuse double releases, name leaks. Default: the environment variable `SLUICE_DEBUG_SLABS` is set. */
  readonly debug?: boolean;
}

/** A pool of buffers in power-of-two sizes. */
export class SlabPool {
  private readonly free: Buffer[][] = Array.from({ length: CLASSES }, () => []);
  private readonly maxFreeBytes: number;
  private readonly owners: Map<Buffer, string> | undefined;
  private freeBytes = 0;
  private leaseCount = 0;

  constructor(options: SlabPoolOptions = {}) {
    this.maxFreeBytes = options.maxFreeBytes ?? DEFAULT_MAX_FREE_BYTES;
    const debug = options.debug ?? process.env.SLUICE_DEBUG_SLABS !== undefined;
    this.owners = debug ? new Map() : undefined;
  }

  /** Leases a buffer of at least `minBytes`. Its content is undefined. `owner` names the holder in a leak report. */
  lease(minBytes: number, owner: string): Buffer {
    const index = classOf(minBytes);
    const slab = this.free[index]?.pop();
    if (slab !== undefined) this.freeBytes -= slab.length;
    const leased = slab ?? Buffer.allocUnsafeSlow(index < CLASSES ? 1 << (index + MIN_CLASS) : minBytes);
    this.leaseCount++;
    this.owners?.set(leased, owner);
    return leased;
  }

  /** Ends a lease; the holder must not touch the buffer again. */
  release(slab: Buffer): void {
    this.leaseCount--;
    if (this.owners !== undefined) this.checkRelease(slab);
    const list = this.free[classOf(slab.length)];
    if (list === undefined || this.freeBytes + slab.length > this.maxFreeBytes) return;
    this.freeBytes += slab.length;
    list.push(slab);
  }

  /** True for a slab that the pool keeps for reuse when it is released. */
  isPooled(slab: Buffer): boolean {
    return slab.length <= MAX_POOLED_SLAB_BYTES;
  }

  /** Ends the lease of a slab that is not pooled; it belongs to the holder from now on. */
  disown(slab: Buffer): void {
    this.leaseCount--;
    if (this.owners?.delete(slab) === false) throw new Error(`slab of ${slab.length} bytes was never leased`);
  }

  /** Leases that were not released yet. */
  get leased(): number {
    return this.leaseCount;
  }

  /** In debug mode, the owner of each open lease; otherwise empty. */
  leaks(): string[] {
    return [...(this.owners?.values() ?? [])];
  }

  private checkRelease(slab: Buffer): void {
    if (this.owners?.delete(slab) !== true)
      throw new Error(`slab of ${slab.length} bytes released twice or never leased`);
    slab.fill(POISON);
  }
}

/** The index of the smallest class that holds `bytes`; CLASSES or more where none does. */
function classOf(bytes: number): number {
  return bytes <= MIN_SLAB_BYTES ? 0 : 32 - Math.clz32(bytes - 1) - MIN_CLASS;
}

/** The pool that every connection of the process shares unless it is given another. */
export const sharedSlabs: SlabPool = new SlabPool();
