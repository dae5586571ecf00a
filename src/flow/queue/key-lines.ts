// Who may go next where records have keys: of each key at most one record is out (loaded, under way, or waiting for its next
// attempt), and those behind it stand in line as numbers, lowest first. A key without records takes no memory.

/** A line of the records that wait for an earlier one of their key. */
class Line {
  private waiting: number[] = [];
  private head = 0;

  get size(): number {
    return this.waiting.length - this.head;
  }

  push(sequence: number): void {
    this.waiting.push(sequence);
  }

  shift(): number | undefined {
    const sequence = this.waiting[this.head];
    if (sequence === undefined) return undefined;
    this.head++;
    if (this.head * 2 > this.waiting.length) {
      this.waiting.splice(0, this.head);
      this.head = 0;
    }
    return sequence;
  }
}

/** The lines of a queue's keys. */
export class KeyLines {
  private readonly lines = new Map<string, Line>();
  private count = 0;

  /** Records that wait in line. */
  get waiting(): number {
    return this.count;
  }

  /** A record has come, behind all others of its key. True: it may go out now; false: it stands in line. */
  enter(key: string, sequence: number): boolean {
    const line = this.lines.get(key);
    if (line === undefined) {
      this.lines.set(key, new Line());
      return true;
    }
    line.push(sequence);
    this.count++;
    return false;
  }

  /** The record of this key that was out is gone; the result is the next one, which is out from now on. */
  leave(key: string): number | undefined {
    const next = this.lines.get(key)?.shift();
    if (next === undefined) this.lines.delete(key);
    else this.count--;
    return next;
  }

  clear(): void {
    this.lines.clear();
    this.count = 0;
  }
}
