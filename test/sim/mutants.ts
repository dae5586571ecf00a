// Small bugs that the simulation must find: each is one replacement in the source. They stand for the mistakes that are
// easy to make and hard to see. A mutant whose text no longer occurs exactly once fails the tests: it moves with the code.

/** One deliberate bug. */
export interface Mutant {
  /** What is wrong, in a few words. */
  readonly name: string;
  /** Below `src/`. */
  readonly file: string;
  /** Occurs exactly once in the file. */
  readonly find: string;
  readonly replace: string;
}

/** The bugs. */
export const MUTANTS: readonly Mutant[] = [
  {
    name: "early id reuse: a slot is free as soon as its call is given up",
    file: "transport/call-table.ts",
    find: "    this.calls[slotOf(id)] = ABANDONED;",
    replace: "    this.calls[slotOf(id)] = undefined;\n    this.free.push(slotOf(id));",
  },
  {
    name: "stale generation accepted: a response is matched by its slot alone",
    file: "transport/call-table.ts",
    find: 'if (this.ids[slot] !== id || call === undefined) return "unknown";',
    replace: 'if (call === undefined) return "unknown";',
  },
  {
    name: "response to the wrong slot",
    file: "transport/call-table.ts",
    find: "  settle(id: number): OutgoingCall | Stray {\n    const slot = slotOf(id);",
    replace:
      "  settle(id: number): OutgoingCall | Stray {\n    const slot = Math.max(0, slotOf(id) - (slotOf(id) % 7 === 6 ? 1 : 0));",
  },
  {
    name: "double settle: a call that has ended ends again",
    file: "transport/outgoing-call.ts",
    find: "    if (this.settled) return false;\n",
    replace: "",
  },
  {
    name: "deadline never armed",
    file: "transport/outgoing-call.ts",
    find: "    wheel.add(this, expiresAt);\n",
    replace: "",
  },
  {
    name: "deadline not removed when a call settles",
    file: "transport/outgoing-call.ts",
    find: "    this.wheel.remove(this);\n",
    replace: "",
  },
  {
    name: "lost flush: after a drain, what was written meanwhile stays",
    file: "transport/outbox.ts",
    find: "    this.inPipeBytes = 0;\n    this.flush();\n",
    replace: "    this.inPipeBytes = 0;\n",
  },
  {
    name: "drain ignored: the pipe is written to while it holds a buffer",
    file: "transport/outbox.ts",
    find: "    if (this.isBlocked) return;\n",
    replace: "",
  },
  {
    name: "slab leaked: what is held of a frame when the connection is lost",
    file: "codec/splitter.ts",
    find: "    if (this.held !== undefined) this.slabs.release(this.held);\n    this.held = undefined;\n    this.heldBytes = 0;\n",
    replace: "    this.held = undefined;\n    this.heldBytes = 0;\n",
  },
  {
    name: "splitter off by one: a frame that ends with its chunk is not handed out",
    file: "codec/splitter.ts",
    find: "      if (next > end) break;",
    replace: "      if (next >= end) break;",
  },
];
