// Child processes of a benchmark: a compiled module started on a core of its own, spoken to in typed messages over
// Node's channel, and never outliving the parent. It owns starting, waiting (always bounded) and stopping; it knows
// nothing of what the messages mean.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { within } from "./bounded.js";

/** A message between parent and child: an object whose `type` says what else it holds, typed arrays among it. */
export interface Message {
  readonly type: string;
}

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Whether a process can be kept on one core here: Linux's `taskset` works, and there are two cores to share out. */
export const canPin: boolean = availableParallelism() > 1 && spawnSync("taskset", ["-c", "0,1", "true"]).status === 0;

/** A child process and the messages it has sent. */
export class Child<Received extends Message> {
  private readonly process: ChildProcess;
  private readonly name: string;
  private readonly inbox: Received[] = [];
  private readonly arrival = new EventEmitter();
  private ended: string | undefined = undefined;

  private constructor(child: ChildProcess, name: string) {
    this.process = child;
    this.name = name;
    running.add(child);
    child.on("message", (message) => {
      this.inbox.push(message as Received);
      this.arrival.emit("change");
    });
    const end = (how: string): void => {
      running.delete(child);
      this.ended ??= how;
      this.arrival.emit("change");
    };
    child.on("error", (error) => end(`could not run: ${error.message}`));
    child.on("exit", (code, signal) => end(`ended with ${signal ?? `exit code ${code}`}`));
  }

  /** Starts a compiled module, on `core` where that is possible. `args` become its arguments. */
  static start<Received extends Message>(
    module: URL,
    args: readonly string[],
    core: number,
    nodeFlags: readonly string[] = [],
  ): Child<Received> {
    const command = [process.execPath, ...nodeFlags, fileURLToPath(module), ...args];
    const pinned = canPin ? ["taskset", "-c", String(core), ...command] : command;
    const stdio = ["ignore", "inherit", "inherit", "ipc"] as const;
    const child = spawn(pinned[0]!, pinned.slice(1), { stdio: [...stdio], serialization: "advanced" });
    return new Child(child, args.join(" "));
  }

  /** The process id, undefined when the process could not be started. */
  get pid(): number | undefined {
    return this.process.pid;
  }

  /** Sends a message; one to a process that has ended is lost. */
  send(message: Message): void {
    if (this.process.connected) this.process.send(message, () => {});
  }

  /** The next message of `type`; others are kept for later. Rejects when the process ends first, or after `timeoutMs`. */
  async receive<T extends Received["type"]>(type: T, timeoutMs: number): Promise<Extract<Received, { type: T }>> {
    return await within(this.find(type), timeoutMs, `"${type}" from ${this.name}`);
  }

  private async find<T extends Received["type"]>(type: T): Promise<Extract<Received, { type: T }>> {
    for (;;) {
      const index = this.inbox.findIndex((message) => message.type === type);
      if (index >= 0) return this.inbox.splice(index, 1)[0] as Extract<Received, { type: T }>;
      if (this.ended !== undefined) throw new Error(`${this.name} ${this.ended}`);
      await once(this.arrival, "change");
    }
  }

  /** Ends the process: by closing its channel, and by SIGKILL if it has not gone within `graceMs`. */
  async stop(graceMs = 1000): Promise<void> {
    if (this.ended !== undefined) return;
    const gone = once(this.process, "exit");
    if (this.process.connected) this.process.disconnect();
    try {
      await within(gone, graceMs, "exit");
    } catch {
      this.process.kill("SIGKILL");
      await within(gone, graceMs, `the end of ${this.name}`);
    }
  }
}

/** For the child: sends a message to the parent. */
export function sendToParent(message: Message): void {
  process.send?.(message);
}

/** For the child: handles messages of the parent, and ends this process when the parent is gone or stops it. */
export function onParent(handle: (message: Message) => void): void {
  process.on("message", (message) => handle(message as Message));
  process.on("disconnect", () => process.exit());
  // The parent may have gone while this process's modules were loaded.
  if (process.send !== undefined && !process.connected) process.exit();
}
