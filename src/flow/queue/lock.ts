// Who owns a folder: one process at a time. The file `owner` names it; it appears and is taken over atomically. An owner on the
// same machine is gone when its process is, which is seen at once, after kill -9 too. Of one elsewhere (another host, another
// container) only a sign of life tells: it touches the file every few seconds, and is gone when it has not for half a minute.

import { link, readFile, readlink, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { Code, localError } from "../../codec/status.js";
import { systemCode } from "./disk.js";

/** An owner shows this often that it is there. */
const TOUCH_MS = 5_000;
/** One that cannot be seen is gone after this long without a sign. */
export const LOST_AFTER_MS = 30_000;
const ATTEMPTS = 10;

/** Who owns it. */
export interface Owner {
  readonly pid: number;
  /** When that process began, where the system tells: process ids are used again. */
  readonly since: string;
  /** The machine, its start and the namespace in which `pid` means something. */
  readonly where: string;
  readonly host: string;
  /** Different for each time that somebody owns it. */
  readonly token: string;
}

/** A folder that is owned. */
export class FolderLock {
  private readonly path: string;
  private readonly token: string;
  private readonly timer: NodeJS.Timeout;

  constructor(path: string, token: string) {
    this.path = path;
    this.token = token;
    this.timer = setInterval(() => this.touch(), TOUCH_MS).unref();
  }

  /** Lets the folder go. */
  async release(): Promise<void> {
    clearInterval(this.timer);
    if ((await readOwner(this.path))?.token === this.token) await rm(this.path, { force: true });
  }

  private touch(): void {
    const now = new Date();
    utimes(this.path, now, now).catch(() => {});
  }
}

/** Takes a folder, or rejects FAILED_PRECONDITION with who has it. */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const path = `${folder}/owner`;
  const me = await thisProcess();
  const mine = `${path}.${me.token}`;
  await writeFile(mine, JSON.stringify(me), { flag: "wx" });
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (await tryLink(mine, path)) return new FolderLock(path, me.token);
      await evict(path, folder, me);
    }
    throw localError(Code.FAILED_PRECONDITION, `${folder}: others are taking it over at the same moment`, "safe");
  } finally {
    await rm(mine, { force: true });
  }
}

/** The owner of a folder that is there, as far as can be seen. */
export async function liveOwner(folder: string): Promise<Owner | undefined> {
  const owner = await readOwner(`${folder}/owner`);
  return owner !== undefined && (await isThere(owner, `${folder}/owner`, await thisProcess())) ? owner : undefined;
}

/** False: there is an owner. */
async function tryLink(mine: string, path: string): Promise<boolean> {
  try {
    await link(mine, path);
    return true;
  } catch (error) {
    if (systemCode(error) === "EEXIST") return false;
    throw error;
  }
}

/** Puts an owner out that is gone; rejects if it is not. */
async function evict(path: string, folder: string, me: Owner): Promise<void> {
  const owner = await readOwner(path);
  if (owner === undefined) return;
  if (await isThere(owner, path, me)) throw heldBy(owner, folder, me);
  // Only one of those who want it moves it away; who moved somebody else's puts it back.
  const moved = `${path}.${me.token}.old`;
  try {
    await rename(path, moved);
    if ((await readOwner(moved))?.token !== owner.token) await link(moved, path);
  } catch (error) {
    if (systemCode(error) !== "ENOENT" && systemCode(error) !== "EEXIST") throw error;
  } finally {
    await rm(moved, { force: true });
  }
}

async function isThere(owner: Owner, path: string, me: Owner): Promise<boolean> {
  if (owner.where === me.where) return isRunning(owner.pid) && (await startOf(owner.pid)) === owner.since;
  try {
    return Date.now() - (await stat(path)).mtimeMs < LOST_AFTER_MS;
  } catch {
    return false;
  }
}

function heldBy({ pid, host }: Owner, folder: string, me: Owner): Error {
  const who =
    pid === me.pid && host === me.host ? "this process has it open already" : `process ${pid} on ${host} has it`;
  return localError(
    Code.FAILED_PRECONDITION,
    `queue store ${folder}: ${who}; one process owns a store at a time`,
    "safe",
  );
}

/** Undefined: nobody, or nobody who can be read. */
async function readOwner(path: string): Promise<Owner | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as Owner;
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    // What is no owner's file, such as one that a power failure left empty, keeps nobody out.
    if (error instanceof SyntaxError) return { pid: 0, since: "", where: "nowhere", host: "?", token: "" };
    throw error;
  }
}

async function thisProcess(): Promise<Owner> {
  const token = `${process.pid}-${crypto.randomUUID()}`;
  const where = [hostname(), await bootId(), await pidNamespace()].join(" ");
  return { pid: process.pid, since: await startOf(process.pid), where, host: hostname(), token };
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) === "EPERM";
  }
}

/** Field 22 of /proc/<pid>/stat: clock ticks from the start of the machine. Elsewhere unknown, and the same for all. */
async function startOf(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return text.slice(text.lastIndexOf(")") + 2).split(" ")[19] ?? "";
}

async function bootId(): Promise<string> {
  return (await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => "")).trim();
}

async function pidNamespace(): Promise<string> {
  return await readlink("/proc/self/ns/pid").catch(() => "");
}
