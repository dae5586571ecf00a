// `sluice queue`: looks into the durable queues of a store on disk, also while a process owns it, and puts them in order when none
// does. It needs no process, no manifest and no connection: a store says what is in it.

import { parseArgs } from "node:util";
import { formatDuration } from "../codec/durations.js";
import { codeName, RpcError } from "../codec/status.js";
import { purge, recordsOf, replay } from "../flow/queue/inspect.js";
import { viewQueue, viewStore } from "../flow/queue/log-view.js";
import { nodeDisk } from "../flow/queue/node-disk.js";
import { checkQueueName, type StoredQueue, type StoredRecord } from "../flow/queue/store.js";
import { printable } from "../gen/source.js";
import { openQueueStore } from "../queue.js";
import { formatCount } from "./counts.js";
import { type Column, formatTable } from "./table.js";
import { UsageError } from "./usage.js";

const HELP = `sluice queue ls <path>
sluice queue peek <path> <queue> [--dead] [--limit <count>] [--id <call id>]
sluice queue replay <path> <queue> [--id <call id>]
sluice queue purge <path> <queue> (--dead | --all | --id <call id>)

Looks after the durable queues of a store, which is a folder. ls shows the queues, peek the first calls of one, replay puts dead
letters back at the end of their queue, purge drops calls for good.

      --dead        the dead letters: calls that failed for the last time
      --all         the calls that wait, and the dead letters
      --limit <n>   how many calls to show. Default 20
      --id <id>     only the calls with this id
      --json        for programs: an array of queues, or of calls with their payloads in base64
  -h, --help

ls and peek may be used beside the process that owns the store, and show what is on disk at the moment. replay and purge need a
store that no process owns; a running one does the same with its DurableQueue.
Exit codes: 0 done; 1 there is no such queue or call, or the store is damaged; 2 wrong usage, or the store cannot be used.`;

const OPTIONS = {
  dead: { type: "boolean" },
  all: { type: "boolean" },
  limit: { type: "string" },
  id: { type: "string" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

type Values = ReturnType<typeof parse>["values"];

/** Which options a subcommand takes. */
const TAKES: Readonly<Record<string, readonly (keyof typeof OPTIONS)[]>> = {
  ls: ["json"],
  peek: ["dead", "limit", "id", "json"],
  replay: ["id"],
  purge: ["dead", "all", "id"],
};

const DEFAULT_LIMIT = 20;

const QUEUE_COLUMNS: readonly Column[] = [
  { title: "QUEUE", align: "left" },
  ...["CALLS", "BYTES", "DEAD", "OLDEST"].map((title) => ({ title, align: "right" }) as const),
];

const CALL_COLUMNS: readonly Column[] = [
  { title: "AGE", align: "right" },
  ...["METHOD", "ID", "KEY"].map((title) => ({ title, align: "left" }) as const),
  ...["BYTES", "FAILED"].map((title) => ({ title, align: "right" }) as const),
  { title: "LAST ERROR", align: "left" },
];

/** Runs the command; resolves with its exit code. */
export async function queueCommand(args: string[]): Promise<number> {
  const { values, positionals } = parse(args);
  if (values.help === true) return print(HELP);
  const [what = "", path, name, ...more] = positionals;
  const taken = Object.hasOwn(TAKES, what) ? TAKES[what] : undefined;
  if (taken === undefined) throw new UsageError(`queue: say what to do: ls, peek, replay or purge${was(what)}`);
  const odd = (Object.keys(values) as (keyof Values)[]).find((option) => !taken.includes(option));
  if (odd !== undefined) throw new UsageError(`queue ${what}: takes no --${odd}`);
  if (path === undefined) throw new UsageError(`queue ${what}: name the store's folder`);
  if (what === "ls" && name === undefined) return await explained(() => list(path, values.json === true));
  if (what === "ls") throw new UsageError(`queue ls: one store at a time; "${name}" is one too many`);
  if (name === undefined) throw new UsageError(`queue ${what}: name the queue; sluice queue ls ${path} shows them`);
  if (more.length > 0) throw new UsageError(`queue ${what}: one queue at a time; "${more[0]}" is one too many`);
  return await explained(() => actOn(what, path, named(name), values));
}

async function actOn(what: string, path: string, name: string, values: Values): Promise<number> {
  if (what === "peek") return await peek(path, name, values);
  if (what === "replay") return await replayIn(path, name, values.id);
  const chosen = [values.dead, values.all, values.id].filter((value) => value !== undefined);
  if (chosen.length !== 1) throw new UsageError("queue purge: say what to drop: --dead, --all, or one call with --id");
  return await purgeIn(path, name, values);
}

async function list(path: string, isJson: boolean): Promise<number> {
  const views = await viewStore(nodeDisk, path);
  const now = Date.now();
  const ages = views.map(({ counts }) => (counts.oldestAt === undefined ? undefined : now - counts.oldestAt));
  if (isJson) {
    const queues = views.map(({ name, counts: { depth, bytes, dead, deadBytes } }, i) => {
      return { name, depth, bytes, dead, deadBytes, oldestAgeMs: ages[i] ?? null };
    });
    print(JSON.stringify(queues, undefined, 2));
  } else {
    const rows = views.map(({ name, counts: { depth, bytes, dead } }, i) => {
      return [name, formatCount(depth), formatCount(bytes), formatCount(dead), age(ages[i])];
    });
    print(formatTable(QUEUE_COLUMNS, rows).trimEnd());
  }
  return complain(views.flatMap(({ damage }) => damage));
}

async function peek(path: string, name: string, { dead, limit, id, json }: Values): Promise<number> {
  const most = limitOf(limit);
  const damage: string[] = [];
  const records: StoredRecord[] = [];
  await viewQueue(nodeDisk, path, name, async (queue, found) => {
    damage.splice(0, damage.length, ...found);
    records.length = 0;
    for await (const record of recordsOf(queue, dead === true ? "dead" : "alive")) {
      if (records.length === most) break;
      if (id === undefined || record.callId === id) records.push(record);
    }
  });
  if (json === true) print(JSON.stringify(records.map(asJson), undefined, 2));
  else if (records.length > 0 || id === undefined) print(formatTable(CALL_COLUMNS, records.map(rowOf)).trimEnd());
  if (records.length === 0 && id !== undefined) damage.push(noSuchCall(name, id, dead === true));
  return complain(damage);
}

async function replayIn(path: string, name: string, id: string | undefined): Promise<number> {
  const count = await withQueue(path, name, (queue) => replay(queue, id));
  if (count === 0 && id !== undefined) return complain([noSuchCall(name, id, true)]);
  return print(`${formatCount(count)} put back`);
}

async function purgeIn(path: string, name: string, { all, dead, id }: Values): Promise<number> {
  const which = dead === true ? "dead" : "all";
  const count = await withQueue(path, name, (queue) => purge(queue, which, all === true ? undefined : id));
  if (count === 0 && id !== undefined) return complain([noSuchCall(name, id, false)]);
  return print(`${formatCount(count)} dropped`);
}

/** Owns the store for as long as `work` takes. A queue that is not there is not made. */
async function withQueue(path: string, name: string, work: (queue: StoredQueue) => Promise<number>): Promise<number> {
  // Says what is wrong with a path that is none, before a store is made there.
  await viewQueue(nodeDisk, path, name, async () => {});
  const store = openQueueStore(path, { onDamage: (text) => process.stderr.write(`error: ${printable(text)}\n`) });
  try {
    return await work(await store.open(name));
  } finally {
    await store.close();
  }
}

/** What the store refuses, as the command's own error. */
async function explained(work: () => Promise<number>): Promise<number> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    const text = printable(error.message);
    if (codeName(error.code) !== "NOT_FOUND") throw new UsageError(`queue: ${text}`);
    return complain([text]);
  }
}

function rowOf({ enqueuedAt, path, callId, key, payload, failures, death }: StoredRecord): string[] {
  const error = death === undefined ? "" : `${codeName(death.code)}: ${death.message}`;
  const [bytes, failed] = [formatCount(payload.length), formatCount(failures)];
  return [age(Date.now() - enqueuedAt), path, callId, key ?? "", bytes, failed, error];
}

function asJson(record: StoredRecord): object {
  const { callId, path, key, enqueuedAt, metadata, payload, failures, death } = record;
  return {
    callId,
    method: path,
    key,
    enqueuedAt: new Date(enqueuedAt).toISOString(),
    metadata:
      metadata && [...metadata].map(([name, value]) => [name, typeof value === "string" ? value : base64(value)]),
    payload: base64(payload),
    failures,
    death: death && { at: new Date(death.at).toISOString(), code: codeName(death.code), message: death.message },
  };
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

/** The two largest units: `3h 12m`. */
function age(ms: number | undefined): string {
  if (ms === undefined) return "-";
  if (ms < 1_000) return formatDuration(Math.max(0, Math.round(ms)));
  const units = [
    [Math.floor(ms / 86_400_000), "d"],
    [Math.floor(ms / 3_600_000) % 24, "h"],
    [Math.floor(ms / 60_000) % 60, "m"],
    [Math.floor(ms / 1_000) % 60, "s"],
  ] as const;
  const first = units.findIndex(([count]) => count > 0);
  return units
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count}${unit}`)
    .join(" ");
}

function noSuchCall(name: string, id: string, isDead: boolean): string {
  return `there is no ${isDead ? "dead letter" : "call"} ${JSON.stringify(id)} in the queue "${name}"`;
}

function named(name: string): string {
  try {
    return checkQueueName(name);
  } catch (error) {
    throw new UsageError(`queue: ${(error as Error).message}`);
  }
}

function limitOf(text: string | undefined): number {
  const limit = text === undefined ? DEFAULT_LIMIT : Number(text);
  if (Number.isInteger(limit) && limit > 0) return limit;
  throw new UsageError(`queue peek: --limit is a whole number, 1 or more; "${text}" is none`);
}

function was(what: string): string {
  return what === "" ? "" : `; "${printable(what)}" is none of them`;
}

function parse(
  args: string[],
): ReturnType<typeof parseArgs<{ args: string[]; options: typeof OPTIONS; allowPositionals: true }>> {
  try {
    return parseArgs({ args, options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new UsageError(`queue: ${(error as Error).message}`);
  }
}

function print(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}

/** Says what is wrong; the result is the exit code. */
function complain(texts: readonly string[]): number {
  for (const text of texts) process.stderr.write(`error: ${printable(text)}\n`);
  return texts.length === 0 ? 0 : 1;
}
