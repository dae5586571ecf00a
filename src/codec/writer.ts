// The growable byte sink that generated encoders write into. It owns the current buffer and the write position, and
// nothing else: an outbox subclasses it so that a message is encoded straight into the outgoing slab.
// Invariant: bytes [start, pos) belong to the unit being written (a frame or a message). `grow` may move that unit to
// another buffer, so a position that must survive `reserve` is kept relative to `start`.

/** The number of bytes a standalone {@link Writer} begins with. */
export const DEFAULT_WRITER_BYTES = 4096;

/** A growable byte sink. `buf` and `pos` are public because generated code works on them in locals. */
export class Writer {
  /** The buffer being written. Replaced by {@link Writer.grow}. */
  buf: Buffer;
  /** The next byte to write. */
  pos = 0;
  /** Where the unit being written begins; everything before it is finished. */
  start = 0;

  constructor(initialBytes: number = DEFAULT_WRITER_BYTES) {
    this.buf = Buffer.allocUnsafeSlow(initialBytes);
  }

  /** Makes room for `bytes` more bytes at `pos`; `buf`, `start` and `pos` may all change. */
  reserve(bytes: number): void {
    if (this.buf.length - this.pos < bytes) this.grow(bytes);
  }

  /** Moves the unit being written to a buffer with room for `bytes` more. */
  protected grow(bytes: number): void {
    const used = this.pos - this.start;
    const next = Buffer.allocUnsafeSlow(Math.max(this.buf.length * 2, used + bytes));
    this.buf.copy(next, 0, this.start, this.pos);
    this.buf = next;
    this.start = 0;
    this.pos = used;
  }
}
