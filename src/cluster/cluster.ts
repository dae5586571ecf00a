// The primary process of a cluster: as many workers as it was told, one in each slot. A worker that ends is replaced, after a
// delay that doubles while replacements do not last; a restart puts a new one beside each old one before that drains. It
// serves no calls itself but those of the admin service.

import nodeCluster from "node:cluster";
import { EventEmitter } from "node:events";
import { Code, localError } from "../codec/status.js";
import type { StatsInit } from "../ops/admin.js";
import { serveView } from "../ops/admin-desk.js";
import { createServer, type Server } from "../server/server.js";
import { parseAddress } from "../transport/pipe.js";
import { socketNetwork } from "../transport/socket.js";
import { ClusterView } from "./cluster-view.js";
import { Member, type WorkerState } from "./member.js";
import type { ResolvedClusterOptions } from "./options.js";

/** The delay before a worker is replaced: the first, and the longest, in milliseconds. */
const MIN_DELAY_MS = 100;
const MAX_DELAY_MS = 10_000;
/** A worker that was ready for so long has lasted: the delay is the first again, in milliseconds. */
const LASTING_MS = 10_000;
/** What calls of the admin service have left when the cluster closes, in milliseconds. */
const ADMIN_GRACE_MS = 1_000;

/** What a cluster emits. */
export interface ClusterEvents {
  /** A worker process listens. */
  ready: [pid: number];
  /** A worker process is gone; `how` is `code 0`, `SIGKILL`. */
  exit: [pid: number, how: string];
}

/** A worker process and what it is doing. */
export interface WorkerInfo {
  readonly pid: number;
  readonly state: WorkerState;
}

/** The place of one worker. */
interface Slot {
  member: Member | undefined;
  /** Workers of this slot that ended before they had lasted, in a row. */
  failures: number;
  timer: NodeJS.Timeout | undefined;
}

/** The primary process's side of a cluster. Made by `runCluster`. */
export class Cluster extends EventEmitter<ClusterEvents> {
  /** Where the workers listen, as bound. */
  addresses: readonly string[] = [];
  /** Where the admin service is, as bound. */
  adminAddresses: readonly string[] = [];
  private readonly options: ResolvedClusterOptions;
  private readonly members = new Set<Member>();
  private readonly slots: readonly Slot[];
  private readonly view: ClusterView = new ClusterView(() => [...this.members]);
  private readonly admin: Server;
  private restarting: Promise<void> | undefined = undefined;
  private closing: Promise<void> | undefined = undefined;
  /** The process would not always end by itself: see {@link close}. */
  private readonly onEnd = (): void => void this.close().then(() => process.exit());
  private readonly onHangup = (): void => {
    this.restart().catch((error: Error) => this.options.logger?.error({ error: error.message }, "restart stopped"));
  };

  /** Use `runCluster`. */
  constructor(options: ResolvedClusterOptions) {
    super();
    this.options = options;
    this.slots = Array.from({ length: options.processes }, () => ({
      member: undefined,
      failures: 0,
      timer: undefined,
    }));
    this.admin = createServer(options.logger === undefined ? {} : { logger: options.logger });
    serveView(this.admin, this.view, options.adminAccess);
  }

  /**
   * Starts the workers: one by itself, which shows whether the program can serve, then the others. Resolves when all are ready.
   * Rejects with what kept the first from it; nothing is left running then.
   */
  async start(): Promise<void> {
    if (this.options.signals) this.listenToSignals();
    const [first, ...others] = this.slots as readonly [Slot, ...Slot[]];
    try {
      await removeDeadSockets(this.options.listen);
      const admin: string[] = [];
      for (const address of this.options.admin) admin.push(await this.admin.listen(address));
      this.adminAddresses = admin;
      const member = this.hire(first);
      await member.ready;
      this.addresses = member.addresses;
    } catch (error) {
      await this.close({ graceMs: 0 });
      throw error;
    }
    for (const slot of others) this.hire(slot);
    await this.waitForReady();
  }

  /** The worker processes of now. */
  workers(): readonly WorkerInfo[] {
    return [...this.members].map(({ pid, state }) => ({ pid, state }));
  }

  /** What each worker that serves has counted, by its process id: how evenly connections and calls are spread. */
  async statsByWorker(): Promise<ReadonlyMap<number, StatsInit>> {
    return new Map((await this.view.readings()).map(({ member, stats }) => [member.pid, stats]));
  }

  /** What all workers together have counted, those that have ended among them. */
  stats(): Promise<StatsInit> {
    return this.view.getStats(performance.now());
  }

  /**
   * Replaces the workers one after the other: a new one is started from the program as it is on disk now, and when it listens,
   * the old one drains. Calls in one under way wait for that one. Rejects UNAVAILABLE if a new worker does not get ready; the old one
   * stays then, and those that were not replaced yet.
   */
  restart(): Promise<void> {
    this.restarting ??= this.replaceAll().finally(() => {
      this.restarting = undefined;
    });
    return this.restarting;
  }

  /**
   * Drains all workers, for `graceMs` (default: the cluster's), and closes the admin service. Resolves when every worker process
   * is gone; one that takes 5 s longer than its grace is killed. Call `process.exit` then, if nothing else is to be done:
   * node:cluster may keep a connection that came too late for all workers, and with it this process.
   */
  close({ graceMs = this.options.graceMs }: { readonly graceMs?: number } = {}): Promise<void> {
    this.closing ??= this.end(graceMs);
    return this.closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Starts a worker in a slot. */
  private hire(slot: Slot): Member {
    const member = this.fork();
    slot.member = member;
    return member;
  }

  private fork(): Member {
    const { logger, startMs } = this.options;
    const member = new Member(nodeCluster.fork(), startMs, () => this.view.changes());
    const { pid } = member;
    this.members.add(member);
    member.ready.then(
      () => {
        logger?.info({ pid, addresses: member.addresses }, "worker ready");
        this.emit("ready", pid);
      },
      (error: Error) => logger?.error({ pid, error: error.message }, "worker not ready"),
    );
    void member.ended.then((how) => this.onEnded(member, how));
    return member;
  }

  private onEnded(member: Member, how: string): void {
    const { pid } = member;
    this.members.delete(member);
    this.view.keep(member);
    this.options.logger?.info({ pid, how }, "worker ended");
    const slot = this.slots.find((each) => each.member === member);
    if (slot !== undefined) this.refill(slot, member);
    this.emit("exit", pid, how);
  }

  /** Replaces the worker of a slot that has ended by itself. */
  private refill(slot: Slot, { readyAt }: Member): void {
    slot.member = undefined;
    if (this.closing !== undefined) return;
    if (readyAt > 0 && performance.now() - readyAt >= LASTING_MS) slot.failures = 0;
    const delayMs = Math.min(MAX_DELAY_MS, MIN_DELAY_MS * 2 ** slot.failures);
    slot.failures++;
    slot.timer = setTimeout(() => this.hire(slot), delayMs);
  }

  private async replaceAll(): Promise<void> {
    for (const slot of this.slots) {
      this.checkOpen();
      const next = this.fork();
      try {
        await next.ready;
      } catch (error) {
        const text = `the restart stops, and the workers that were not replaced stay: the new worker ${next.pid} is not ready: ${(error as Error).message}`;
        throw localError(Code.UNAVAILABLE, text, "never", error);
      }
      this.checkOpen();
      const old = slot.member;
      clearTimeout(slot.timer);
      slot.member = next;
      slot.failures = 0;
      await old?.drain(this.options.graceMs);
    }
  }

  private checkOpen(): void {
    if (this.closing !== undefined) throw localError(Code.UNAVAILABLE, "the cluster is closed", "never");
  }

  private async end(graceMs: number): Promise<void> {
    for (const { timer } of this.slots) clearTimeout(timer);
    await Promise.all([...this.members].map((member) => member.drain(graceMs)));
    await this.admin.close({ graceMs: ADMIN_GRACE_MS });
    for (const signal of ["SIGTERM", "SIGINT"]) process.off(signal, this.onEnd);
    process.off("SIGHUP", this.onHangup);
  }

  private listenToSignals(): void {
    for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, this.onEnd);
    process.on("SIGHUP", this.onHangup);
  }

  /** Resolves when every slot has a worker that listens, or the cluster closes. */
  private waitForReady(): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (this.closing === undefined && !this.slots.every(({ member }) => member?.state === "ready")) return;
        this.off("ready", check);
        this.off("exit", check);
        resolve();
      };
      this.on("ready", check);
      this.on("exit", check);
      check();
    });
  }
}

/**
 * Removes Unix sockets that a process left behind when it was killed: a worker that did so could not listen there as the
 * others do, because node:cluster takes each attempt of a worker to listen on an address for another server's.
 */
async function removeDeadSockets(addresses: readonly string[]): Promise<void> {
  for (const address of addresses.map(parseAddress)) {
    if (address.kind !== "unix") continue;
    const listener = await socketNetwork.listen(address, (pipe) => pipe.destroy());
    await listener.close();
  }
}
