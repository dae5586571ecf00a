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
  /** The seed to begin with, where one is known that finds it; it only saves time. Default 1. */
  readonly from?: number;
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
    find: '    if (this.ids[slot] !== id || call === undefined) return "unknown";',
    replace: '    if (call === undefined) return "unknown";',
  },
  {
    name: "response to the wrong slot",
    file: "transport/call-table.ts",
    find: "  settle(id: number): OutgoingCall | Stray {\n    const slot = slotOf(id);",
    replace: "  settle(id: number): OutgoingCall | Stray {\n    const slot = slotOf(id) ^ (slotOf(id) > 5 ? 1 : 0);",
  },
  {
    name: "slots that the peer does not have are used again",
    file: "transport/call-table.ts",
    find: "    if (slot < this.maxSlots) this.free.push(slot);\n    else this.retired++;",
    replace: "    this.free.push(slot);",
  },
  {
    name: "double settle: a call stays in its slot when it is answered",
    file: "transport/call-table.ts",
    find: "    this.calls[slot] = undefined;\n    this.ids[slot] = (id + GENERATION_STEP) | 0;\n",
    replace: "",
  },
  {
    name: "deadline never armed at the client",
    file: "transport/outgoing-calls.ts",
    find: "    if (call.expiresAt < this.sweepAt) this.sweepBy(call.expiresAt);\n",
    replace: "",
  },
  {
    name: "deadline not removed when a call settles",
    file: "call/call-queue.ts",
    find: "    call.disarm();\n",
    replace: "",
  },
  {
    name: "lost cancel: the peer is not told that a call was given up",
    file: "transport/outgoing-calls.ts",
    find: "    this.session.touch();\n    beginFrame(outbox);\n    endFrame(outbox, FrameType.CANCEL, 0, code, call.id);\n",
    replace: "",
  },
  {
    name: "unwritten calls dropped on disconnect",
    file: "transport/outgoing-calls.ts",
    find: "const isUnsent = call.framePosition >= handedPosition;",
    replace: "const isUnsent = call.framePosition > handedPosition + 1e15;",
  },
  {
    name: "written calls sent again after a disconnect: they may run twice",
    file: "transport/outgoing-calls.ts",
    find: "} else if (ranNothing && isWhole && call.parked !== undefined) {",
    replace: "} else if (isWhole && call.parked !== undefined) {",
  },
  {
    name: "lost flush: what was written while the pipe was full stays",
    file: "transport/outbox.ts",
    find: "    this.inPipeBytes = 0;\n    this.flush();\n",
    replace: "    this.inPipeBytes = 0;\n",
  },
  {
    name: "drain ignored: the pipe is written to while it holds a buffer",
    file: "transport/outbox.ts",
    find: "head !== undefined && !this.isBlocked;",
    replace: "head !== undefined;",
  },
  {
    name: "a slab goes back to the pool while the pipe holds it",
    file: "transport/outbox.ts",
    find: "        this.inPipeBytes = bytes;\n",
    replace: "        this.inPipeBytes = bytes;\n        this.slabs.release(slab);\n",
  },
  {
    name: "what was written last is lost when a connection ends",
    file: "transport/outbox.ts",
    find: "    this.ending = true;\n    this.flush();",
    replace: "    this.ending = true;\n    this.endPipe();",
  },
  {
    name: "slab leaked: what is held of a frame when the connection is lost",
    file: "codec/splitter.ts",
    find: "  release(): void {\n    if (this.held !== undefined) this.letGo(this.held, this.isOwn);\n",
    replace: "  release(): void {\n",
  },
  {
    name: "splitter off by one: a frame that ends with its chunk waits for the next",
    file: "codec/splitter.ts",
    find: "      if (next > end) break;",
    replace: "      if (next >= end) break;",
  },
  {
    name: "heartbeat never fires",
    file: "transport/heartbeat.ts",
    find: "    this.checkSilence(now);\n",
    replace: "",
  },
  {
    name: "heartbeat does not stop with its connection",
    file: "transport/heartbeat.ts",
    find: "  stop(): void {\n    this.session.wheel.remove(this);",
    replace: "  stop(): void {",
  },
  {
    name: "close leaves a timer",
    file: "transport/timers.ts",
    find: "    if (this.count === 0) this.disarm();",
    replace: "",
  },
  {
    name: "timers that come late expire before the sockets are read",
    file: "transport/timers.ts",
    find: "    if (late > STALL_MS) this.clock.nextTurn(this.sweep);\n    else this.expireDue();",
    replace: "    this.expireDue();",
  },
  {
    name: "a pooled connection is not given back",
    file: "client/pooled.ts",
    find: "      void this.pool.release(slot);\n",
    replace: "",
  },
  {
    name: "lost credit: a stream's writer is never told that its messages were taken",
    file: "transport/stream.ts",
    find: "    writeCredit(session, this.id, credit);\n",
    replace: "",
  },
  {
    name: "lost credit: what a message cost its connection is not given back if it is long",
    file: "transport/flow.ts",
    find: "    this.owed += bytes;\n",
    replace: "    if (bytes < 30_000) this.owed += bytes;\n",
  },
  {
    name: "credit counted twice: a reader gives it back when a message comes and when it is taken",
    file: "transport/stream.ts",
    find: "    this.session.flow.release(bytes);\n    this.consume(bytes);",
    replace: "    this.session.flow.release(bytes);\n    this.consume(bytes);\n    this.consume(bytes);",
  },
  {
    name: "credit counted twice by who is given it",
    file: "transport/message-sender.ts",
    find: "  onCredit(bytes: number): void {\n    this.credit += bytes;",
    replace: "  onCredit(bytes: number): void {\n    this.credit += 2 * bytes;",
  },
  {
    name: "credit spent twice: each fragment costs its connection twice as much",
    file: "transport/message-sender.ts",
    find: "if (!isFirst || isCharged(next)) session.flow.spend(bytes);",
    replace: "if (!isFirst || isCharged(next)) session.flow.spend(isFirst ? bytes : 2 * bytes);",
  },
  {
    name: "the bytes of messages that nobody reads any more stay counted",
    file: "transport/stream.ts",
    find: "    this.session?.flow.release(this.held);\n",
    replace: "",
  },
  {
    name: "lost cancel of a stream",
    file: "transport/outgoing-calls.ts",
    find: "    if (!assembler.isEmpty) assembler.discard(call.id);\n",
    replace: "    if (!assembler.isEmpty) assembler.discard(call.id);\n    if (call.stream !== undefined) return;\n",
  },
  {
    name: "half-close lost: the peer is not told that no message follows",
    file: "transport/message-sender.ts",
    find: "    endFrame(outbox, FrameType.MESSAGE, all, 0, this.id);",
    replace: "    endFrame(outbox, FrameType.MESSAGE, all & ~Flag.END, 0, this.id);",
  },
  {
    name: "half-close overtakes the messages that wait",
    file: "transport/message-sender.ts",
    find: "session?.wasOpen !== true || this.waiting.length > 0)\n",
    replace: "session?.wasOpen !== true)\n",
  },
  {
    name: "a message overtakes those that wait",
    file: "transport/message-sender.ts",
    find: "session === undefined || this.waiting.length > 0 || this.credit <= 0",
    replace: "session === undefined || this.credit <= 0",
  },
  {
    name: "a fragment lost: the bytes of the last one are not kept",
    file: "transport/assembler.ts",
    find: "      buf.copy(assembly.frame, assembly.received, start + HEADER_BYTES, end);\n",
    replace: "      if (!isLast) buf.copy(assembly.frame, assembly.received, start + HEADER_BYTES, end);\n",
  },
  {
    name: "a fragment doubled: it takes the place of the one before it too",
    file: "transport/assembler.ts",
    find: "      buf.copy(assembly.frame, assembly.received, start + HEADER_BYTES, end);\n",
    replace:
      "      buf.copy(assembly.frame, assembly.received, start + HEADER_BYTES, end);\n      buf.copy(assembly.frame, Math.max(HEADER_BYTES, assembly.received - bytes), start + HEADER_BYTES, end);\n",
  },
  {
    name: "a response is forgotten while its fragments still come",
    file: "transport/assembler.ts",
    find: "    if (assembly.type !== FrameType.RESPONSE) this.remove(id);",
    replace: "    this.remove(id);",
  },
  {
    name: "a stream is handed back though messages had left",
    file: "transport/outgoing-calls.ts",
    find: "      const isWhole = call.stream?.sender.hasWritten !== true;",
    replace: "      const isWhole = true;",
  },
  {
    name: "a refused stream is sent again though messages had left",
    file: "transport/outgoing-calls.ts",
    find: "    if (call.stream?.sender.hasWritten === true || call.parked === undefined) return false;",
    replace: "    if (call.parked === undefined) return false;",
    from: 272,
  },
  {
    name: "a reader whose call was broken off is told that all has come",
    file: "call/stream-endpoint.ts",
    find: "    this.reader.drop(error);\n",
    replace: "    this.reader.drop();\n",
  },
  {
    name: "a worker is lost: the end of a handler is not counted",
    file: "flow/method-gate.ts",
    find: "    this.running--;\n",
    replace: "",
  },
  {
    name: "a call that is cancelled while it waits stays in its backlog",
    file: "flow/method-gate.ts",
    find: "    backlog.remove(call);\n",
    replace: "    if (isRefused) backlog.remove(call);\n",
  },
  {
    name: "a flood starves a rare caller: whoever is next gives way, not the longest backlog",
    file: "flow/method-gate.ts",
    find: "const backlog = longest.isHeavy || !own.isHeavy || own.size * MUCH_MORE < longest.size ? longest : own;\n    const victim = backlog.size > 1 || newest.backlog === undefined ?",
    replace: "const backlog = longest && this.nextBacklog();\n    const victim = true ?",
    from: 81,
  },
  {
    name: "a backlog is forgotten: its turn is not reset when the gate is empty",
    file: "flow/method-gate.ts",
    find: '      for (const backlog of line) backlog.turn = "none";\n',
    replace: "",
  },
  {
    name: "a backlog keeps its turn until it is empty",
    file: "flow/method-gate.ts",
    find: 'backlog.size > 0)) this.lineUp(backlog, "later");',
    replace: "backlog.size > 0)) later.unshift(backlog);",
    from: 376,
  },
  {
    name: "expired calls are started when a worker is free",
    file: "transport/incoming-calls.ts",
    find: "    if (isLate(call, this.session.wheel.clock.now())) call.fail(expired());\n    else this.run(",
    replace: "    this.run(",
    from: 204,
  },
  {
    name: "one call more waits than may",
    file: "flow/method-gate.ts",
    find: "if (waiting > policy.queue) return true;",
    replace: "if (waiting > policy.queue + 1) return true;",
    from: 176,
  },
  {
    name: "one handler more runs than may",
    file: "flow/method-gate.ts",
    find: "if (this.running >= this.limit) return false;",
    replace: "if (this.running > this.limit) return false;",
  },
  {
    name: "one handler more runs than the server may",
    file: "flow/task-pool.ts",
    find: "this.ready === 0 && this.running < this.limit",
    replace: "this.ready === 0 && this.running <= this.limit",
  },
  {
    name: "a worker that becomes free wakes nobody",
    file: "flow/method-gate.ts",
    find: "    if (this.pool.waiting > 0) this.pool.onWorkerFree(this);\n",
    replace: "",
  },
  {
    name: "calls that wait for a token are not woken",
    file: "flow/method-gate.ts",
    find: "    if (this.tokenTimer.next === undefined) wheel.add(this.tokenTimer, wheel.tick.now() + waitMs);\n",
    replace: "",
  },
  {
    name: "a rate is not kept to: tokens are not taken",
    file: "flow/method-gate.ts",
    find: "    if (this.bucket !== undefined) this.bucket.take(this.pool.wheel.tick.now());\n",
    replace: "",
  },
  {
    name: "a change of policy forgets the calls that wait",
    file: "flow/method-gate.ts",
    find: "    this.onReplaced?.(policy);\n",
    replace:
      "    this.onReplaced?.(policy);\n    for (const line of this.lines) line.length = 0;\n    this.waiting = 0;\n",
  },
  {
    name: "a change of policy wakes nobody",
    file: "flow/method-gate.ts",
    find: "    this.onReplaced?.(policy);\n    this.pool.wake(this);\n",
    replace: "    this.onReplaced?.(policy);\n",
  },
  {
    name: "low priority starves: no leap over the urgent lanes",
    file: "flow/task-pool.ts",
    find: "const leaps = ++this.taken % LEAP === 0;",
    replace: "const leaps = false;",
    from: 211,
  },
  {
    name: "a refused call is not said to be refused",
    file: "transport/incoming-calls.ts",
    find: 'const refused = error.retry === "safe" ? Flag.REFUSED : 0;',
    replace: "const refused = 0;",
  },
  {
    name: "one-way calls that wait are dropped when their connection is lost",
    file: "transport/incoming-calls.ts",
    find: "    if (isLate(call, this.session.wheel.clock.now())) call.fail(expired());\n",
    replace:
      "    if (call.isAnswered && !this.session.isOpen) return;\n    if (isLate(call, this.session.wheel.clock.now())) call.fail(expired());\n",
  },
  {
    name: "one-way calls wait beyond their deadline",
    file: "transport/incoming-call.ts",
    find: "this.endWaiting(late(",
    replace: "this.answered || this.endWaiting(late(",
    from: 44,
  },
  {
    name: "the messages of a stream that waits are lost",
    file: "transport/incoming-calls.ts",
    find: "    this.find(readId(buf, start))?.stream?.onMessage(buf, start, end);\n",
    replace:
      "    const call = this.find(readId(buf, start));\n    if (call?.backlog === undefined) call?.stream?.onMessage(buf, start, end);\n",
    from: 272,
  },
  {
    name: "a client's place is lost: the end of a call is not counted",
    file: "flow/client-gate.ts",
    find: "    counters.running--;\n",
    replace: "",
  },
  {
    name: "a client's call that ends lets nobody in",
    file: "flow/client-gate.ts",
    find: "    if (this.waiting.size > 0) this.letIn();\n",
    replace: "",
  },
  {
    name: "a client makes one call more than it may",
    file: "flow/client-gate.ts",
    find: "if (this.counters.running >= this.enforced.concurrency) return",
    replace: "if (this.counters.running > this.enforced.concurrency) return",
  },
  {
    name: "a call that may not run twice is retried though it may have run",
    file: "call/repeated-call.ts",
    find: "return isIdempotent(this.method) && !(",
    replace: "return !(",
    from: 345,
  },
  {
    name: "retries have no budget",
    file: "call/repeated-call.ts",
    find: " || !retries.spend()) return false;",
    replace: ") return false;",
    from: 69,
  },
  {
    name: "the pause before a retry never ends",
    file: "call/repeated-call.ts",
    find: "    wheel.add(this.pause, at);\n",
    replace: "",
  },
];
