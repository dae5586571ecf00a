// `sluice stats`: what a running process has counted, once or again and again. A reading by itself is since the start; of
// two that follow each other, the difference a second is shown.

import { parseArgs } from "node:util";
import type { AdminClient, MethodStats, NamedMethodStats, Stats } from "../ops/admin.js";
import { withAdmin } from "./admin.js";
import { formatCount, nameOf, rejectedWords, runningWords } from "./counts.js";
import { interruption } from "./interruption.js";
import { type Column, formatTable } from "./table.js";
import { UsageError } from "./usage.js";

const HELP = `sluice stats <address> [--watch | --refusals]

Shows what a running process has counted, for each of its methods: calls that run and how many may, calls that wait, calls
let in, succeeded, failed and rejected, and the mean time that calls have waited and run.

  -w, --watch            shows it again and again, with calls a second, until interrupted
      --interval <time>  between two readings, such as 500ms. Default 1s
      --refusals         shows the last calls that were refused instead, the newest first, and why
      --json             for programs: an object for each reading, on a line of its own
  -h, --help

Exit codes: 0 done; 1 the process refuses what it was asked for; 2 wrong usage, or no connection.`;

const OPTIONS = {
  watch: { type: "boolean", short: "w" },
  interval: { type: "string" },
  refusals: { type: "boolean" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

const COLUMNS: readonly Column[] = [
  { title: "METHOD", align: "left" },
  ...["RUNNING", "WAITING", "STARTED", "SUCCEEDED", "FAILED"].map((title) => ({ title, align: "right" }) as const),
  { title: "REJECTED", align: "left" },
  { title: "WAIT", align: "right" },
  { title: "TIME", align: "right" },
];

const REFUSAL_COLUMNS: readonly Column[] = [
  { title: "AGO", align: "right" },
  ...["METHOD", "CALLER", "REASON"].map((title) => ({ title, align: "left" }) as const),
];

/** Moves the cursor to the corner and clears the screen. */
const CLEAR = "\x1b[H\x1b[2J";

/** Runs the command until it is done or `signal` is aborted; resolves with its exit code. */
export async function statsCommand(args: string[], signal: AbortSignal = interruption()): Promise<number> {
  const { values, positionals } = parse(args);
  if (values.help === true) return print(HELP);
  const [address, ...more] = positionals;
  if (address === undefined) throw new UsageError("stats: name the address of a process, such as tcp://127.0.0.1:7450");
  if (more.length > 0) throw new UsageError(`stats: one address at a time; "${more[0]}" is one too many`);
  if (values.interval !== undefined && values.watch !== true)
    throw new UsageError("stats: --interval is for --watch: write that, too");
  if (values.refusals === true && values.watch === true)
    throw new UsageError("stats: --watch is for counters: leave it or --refusals out");
  if (values.refusals === true)
    return withAdmin("stats", address, (admin) => showRefusals(admin, values.json === true));
  const format = values.json === true ? (stats: Stats) => JSON.stringify(stats) : tableOf;
  return withAdmin("stats", address, async (admin) =>
    values.watch === true
      ? watch(admin, values.interval ?? "", format, signal)
      : print(format(await admin.getStats({})).trimEnd()),
  );
}

async function watch(
  admin: AdminClient,
  interval: string,
  format: (stats: Stats, before?: Stats) => string,
  signal: AbortSignal,
): Promise<number> {
  const clear = process.stdout.isTTY === true && format === tableOf ? CLEAR : "";
  const readings = admin.watch({ interval }, { signal });
  try {
    let before: Stats | undefined;
    for await (const stats of readings) {
      print(clear + format(stats, before).trimEnd());
      before = stats;
    }
    process.stderr.write("the server drains\n");
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  return 0;
}

async function showRefusals(admin: AdminClient, isJson: boolean): Promise<number> {
  const { refusals } = await admin.listRefusals({});
  if (isJson) return print(JSON.stringify(refusals, undefined, 2));
  const rows = refusals.map(({ agoMs, method, remote, reason }) => [
    `${(agoMs / 1_000).toFixed(1)} s`,
    method,
    remote,
    reason,
  ]);
  return print(formatTable(REFUSAL_COLUMNS, rows).trimEnd());
}

/** One reading; with the one `before`, what was counted a second in between. */
function tableOf(stats: Stats, before?: Stats): string {
  const old = new Map(before?.methods.map((method) => [nameOf(method), method.stats]));
  const seconds = before === undefined ? 1 : Math.max(0.001, (stats.nowMs - before.nowMs) / 1_000);
  const { connections, running, waiting, callsServed, callsRefused } = stats.server ?? {};
  const head = `${connections} connections, ${running} handlers run, ${waiting} calls wait; since the start ${callsServed} served, ${callsRefused} refused`;
  const rows = stats.methods.map((method) => rowOf(method, old.get(nameOf(method)), seconds));
  const unit = before === undefined ? "calls since the start" : "calls a second";
  return `${head}\n${unit}; times in ms\n\n${formatTable(COLUMNS, rows)}`;
}

function rowOf(method: NamedMethodStats, before: MethodStats | undefined, seconds: number): string[] {
  const { stats } = method;
  if (stats === undefined) return [nameOf(method)];
  const delta = (key: CountName): number => stats[key] - (before?.[key] ?? 0);
  const rate = (key: CountName): string => formatCount(delta(key) / seconds);
  const mean = (ms: CountName, count: CountName): string =>
    delta(count) === 0 ? "-" : (delta(ms) / delta(count)).toFixed(2);
  return [
    nameOf(method),
    runningWords(stats),
    formatCount(stats.waiting),
    rate("started"),
    rate("succeeded"),
    rate("failed"),
    rejectedWords(stats, before, seconds),
    mean("waitedMs", "waited"),
    mean("measuredMs", "measured"),
  ];
}

/** The counts of a method that only grow. */
type CountName = "started" | "succeeded" | "failed" | "waited" | "waitedMs" | "measured" | "measuredMs";

function parse(
  args: string[],
): ReturnType<typeof parseArgs<{ args: string[]; options: typeof OPTIONS; allowPositionals: true }>> {
  try {
    return parseArgs({ args, options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new UsageError(`stats: ${(error as Error).message}`);
  }
}

function print(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}
