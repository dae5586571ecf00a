// Who owns a folder: one process at a time. The link `owner` names it: it points nowhere, its target is a text, so that it appears
// whole and at once, and on a full disk too. An owner on the same machine is gone when its process is, which is seen at
// once, after kill -9 too. Of one elsewhere (another host, another container) only a sign of life tells: it touches the link every few
// seconds, and is gone when it has not for half a minute.
//
// Who follows an owner that is gone makes the link `owner.<its token>`, which only one can, and owns the folder if it is at the
// end of the chain that begins at `owner`. It then puts itself at the beginning and removes the rest; who was too slow and makes a
// link that was removed finds that the chain does not lead to it.

import { createHash, randomBytes } from "node:crypto";
import { lstat, lutimes, readFile, readlink, rename, rm, symlink } from "node:fs/promises";
import { hostname } from "node:os";
import { Code, localError } from "../../codec/status.js";
import { systemCode } from "./disk.js";

/** An owner shows this often that it is there. */
const TOUCH_MS = 5_000;
/** One that cannot be seen is gone after this long without a sign. */
export const LOST_AFTER_MS = 30_000;
const ATTEMPTS = 10;
/** A target of up to 59 bytes takes no block of its own. */
const MAX_HOST = 16;

/** Who owns it, as `pid,since,where,token,host`. */
interface Owner {
  readonly pid: number;
  /** When that process began, where the system tells: process ids are used again. */
  readonly since: string;
  /** The machine, its start and the namespace in which `pid` means something, hashed. */
  readonly where: string;
  /** Different for each time that somebody owns it. */
  readonly token: string;
  readonly host: string;
}

/** An owner and the link that names it. */
interface Claim {
  readonly link: string;
  readonly owner: Owner;
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
    lutimes(this.path, now, now).catch(() => {});
  }
}

/** Takes a folder, or rejects FAILED_PRECONDITION with who has it. */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const path = `${folder}/owner`;
  const me = await thisProcess();
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const chain = await chainFrom(path);
    const last = chain.at(-1);
    if (last !== undefined && (await isThere(last, me))) throw heldBy(last.owner, folder, me);
    const claim = last === undefined ? path : successorOf(path, last.owner);
    if ((await tryLink(me, claim)) && (await settle(path, claim, me))) return new FolderLock(path, me.token);
  }
  throw localError(Code.FAILED_PRECONDITION, `queue store ${folder}: others are taking it over at this moment`, "safe");
}

/** Who owned the folder, one after the other; at the end who does, if that one is there. */
async function chainFrom(path: string): Promise<Claim[]> {
  const chain: Claim[] = [];
  for (let link = path; ; ) {
    const owner = await readOwner(link);
    if (owner === undefined) return chain;
    chain.push({ link, owner });
    link = successorOf(path, owner);
  }
}

function successorOf(path: string, { token }: Owner): string {
  return `${path}.${token}`;
}

/** False: there is such a link. */
async function tryLink({ pid, since, where, token, host }: Owner, path: string): Promise<boolean> {
  try {
    await symlink([pid, since, where, token, host].join(","), path);
    return true;
  } catch (error) {
    if (systemCode(error) === "EEXIST") return false;
    throw error;
  }
}

/** Makes a claim the only one. False: it came too late, and is gone. */
async function settle(path: string, claim: string, me: Owner): Promise<boolean> {
  const mine = `${path}.new.${me.token}`;
  try {
    const chain = await chainFrom(path);
    if (chain.at(-1)?.owner.token !== me.token) {
      await rm(claim, { force: true });
      return false;
    }
    if (claim === path) return true;
    await tryLink(me, mine);
    await rename(mine, path);
    for (const { link } of chain.slice(1)) await rm(link, { force: true });
    return true;
  } catch (error) {
    await rm(mine, { force: true });
    await rm(claim, { force: true });
    throw error;
  }
}

async function isThere({ owner, link }: Claim, me: Owner): Promise<boolean> {
  if (owner.where === me.where) return isRunning(owner.pid) && (await startOf(owner.pid)) === owner.since;
  try {
    return Date.now() - (await lstat(link)).mtimeMs < LOST_AFTER_MS;
  } catch {
    return false;
  }
}

function heldBy({ pid, host, where }: Owner, folder: string, me: Owner): Error {
  const isMine = pid === me.pid && where === me.where;
  const who = isMine ? "this process has it open already" : `process ${pid} on ${host} has it`;
  const text = `queue store ${folder}: ${who}; one process owns a store at a time`;
  return localError(Code.FAILED_PRECONDITION, text, "safe");
}

/** Undefined: nobody. What is no owner's link is somebody who cannot be seen. */
async function readOwner(path: string): Promise<Owner | undefined> {
  try {
    const [pid, since = "", where = "", token = "", host = "?"] = (await readlink(path)).split(",");
    return { pid: Number(pid), since, where, token, host };
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

async function thisProcess(): Promise<Owner> {
  const where = [hostname(), await bootId(), await pidNamespace()].join(" ");
  return {
    pid: process.pid,
    since: await startOf(process.pid),
    where: createHash("sha256").update(where).digest("hex").slice(0, 8),
    token: randomBytes(4).toString("hex"),
    host: hostname().replaceAll(",", "-").slice(0, MAX_HOST),
  };
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
