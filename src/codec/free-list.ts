// An object pool for internal objects. What a user can keep a reference to never goes through one. The owner resets an
// object before it gives it back; the list only bounds how many stay.

/** Keeps up to `maxFree` objects for reuse. */
export class FreeList<T> {
  private readonly free: T[] = [];
  private readonly create: () => T;
  private readonly maxFree: number;

  constructor(create: () => T, maxFree: number) {
    this.create = create;
    this.maxFree = maxFree;
  }

  /** A reset object: a used one where there is one. */
  take(): T {
    return this.free.pop() ?? this.create();
  }

  /** Gives back an object that nothing refers to any more. */
  give(object: T): void {
    if (this.free.length < this.maxFree) this.free.push(object);
  }

  /** How many objects wait for reuse. */
  get size(): number {
    return this.free.length;
  }
}
