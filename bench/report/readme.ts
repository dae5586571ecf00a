// README's benchmarks: what stands between the markers `<!-- bench... -->` is made of the result files here, and nowhere else
// does README tell a measured number. What a table says is what the file says, the losing cells and missed targets too.

import type { Header } from "../lib/header.js";
import { formatCount, formatMicroseconds } from "../lib/table.js";
import { formatNumber, formatWanted, type Target } from "../lib/targets.js";
import type { OverloadReport } from "../overload/report.js";
import type { CostReport } from "../pool-cost/report.js";
import type { ScenariosReport } from "../scenarios/report.js";
import type { BesideRow, StreamReport } from "../streams/report.js";
import { CALLS_PICTURE, CURVE_PICTURE } from "./pictures.js";
import type { ResultFile } from "./results.js";
import { nameOf, type SuiteRow } from "./rows.js";
import { formatBytes, formatShare } from "./values.js";

/** A marked part of README: the files that it may be made of, the best first, and its lines. */
interface Block {
  readonly mark: string;
  readonly files: readonly string[];
  readonly lines: (content: never, targets: readonly Target[]) => string[];
}

const BLOCKS: readonly Block[] = [
  { mark: "bench", files: ["suite", "unary-100"], lines: callLines },
  { mark: "bench-scenarios", files: ["scenarios"], lines: scenarioLines },
  { mark: "bench-density", files: ["density"], lines: densityLines },
  { mark: "bench-streams", files: ["streams"], lines: streamLines },
  { mark: "bench-overload", files: ["overload"], lines: overloadLines },
  { mark: "bench-pool-cost", files: ["pool-cost"], lines: costLines },
];

/**
 * README with its marked parts made of `results`; a part without a file is empty. Throws an error that names the marker if
 * README lacks one whose file is there.
 */
export function renderReadme(readme: string, results: readonly ResultFile[]): string {
  let text = readme;
  for (const { mark, files, lines } of BLOCKS) {
    const file = files.map((name) => results.find((result) => result.name === name)).find((found) => found);
    const marked = blockPattern(mark);
    if (!marked.test(text)) {
      if (file === undefined) continue;
      throw new Error(`README.md has no <!-- ${mark} --> and <!-- /${mark} --> for ${file.path}`);
    }
    const content =
      file === undefined ? [] : [...lines(file.content as never, file.targets ?? []), "", ...source(file)];
    const body = content.length === 0 ? "\n" : `\n${content.join("\n")}\n\n`;
    text = text.replace(marked, (_, begin: string, end: string) => `${begin}${body}${end}`);
  }
  return text;
}

/** README without the marked parts: what must not tell numbers. */
export function proseOf(readme: string): string {
  return BLOCKS.reduce((text, { mark }) => text.replace(blockPattern(mark), ""), readme);
}

function blockPattern(mark: string): RegExp {
  return new RegExp(`(<!-- ${mark} -->\n).*?(<!-- /${mark} -->)`, "s");
}

function source({
  path,
  header = {},
}: {
  readonly path: string;
  readonly header?: Partial<Header> | undefined;
}): string[] {
  const { cpu = "?", cores = "?", node = "?", date = "?", command = "?" } = header;
  return [
    `${cpu}, ${cores} cores, Node ${node.replace(/^v/, "")}, ${date.slice(0, 10)}. Made by \`${command}\`; the result file is`,
    `[${path}](${path}). Machines differ and are noisy: trust the ratios within a run.`,
  ];
}

const line = (cells: readonly (string | number)[]): string => `| ${cells.join(" | ")} |`;

function table(titles: readonly string[], rows: readonly (readonly (string | number)[])[]): string[] {
  return [line(titles), line(titles.map(() => "---")), ...rows.map(line)];
}

const times = (p50Us: number, p99Us: number): string => `${formatMicroseconds(p50Us)}, ${formatMicroseconds(p99Us)}`;

/** Unary calls: rows, and what could not be measured. */
interface Calls {
  readonly rows: readonly SuiteRow[];
  readonly failures?: readonly string[];
}

function callLines({ rows, failures = [] }: Calls, targets: readonly Target[]): string[] {
  const closed = rows.filter(({ openLoop }) => openLoop !== true);
  const open = rows.filter(({ openLoop }) => openLoop === true);
  const payloads = [...new Set(closed.map(({ payloadBytes }) => payloadBytes))];
  return [
    "Unary echo, decoded and encoded on both sides; client and server in processes of their own, a core each; medians over interleaved",
    'rounds. Calls a second (p50, p99), by calls outstanding. "Floor" is the least that can be done in Node: sockets, frames with an id, a',
    "hand-written codec, a promise a call, a synchronous handler; it is no RPC framework.",
    "",
    `![Calls a second of each system](${CALLS_PICTURE})`,
    ...payloads.flatMap((bytes) => ["", ...payloadLines(closed.filter(({ payloadBytes }) => payloadBytes === bytes))]),
    ...(open.length > 0 ? ["", ...openLines(open)] : []),
    ...(targets.length > 0 ? ["", ...targetLines(undefined, targets)] : []),
    ...(failures.length > 0 ? ["", `Not measured: ${failures.join("; ")}.`] : []),
  ];
}

function payloadLines(rows: readonly SuiteRow[]): string[] {
  const outstanding = [...new Set(rows.map((each) => each.outstanding))].sort((a, b) => a - b);
  const find = (system: string, calls: number): SuiteRow | undefined =>
    rows.find((row) => nameOf(row) === system && row.outstanding === calls);
  const cell = (row: SuiteRow | undefined): string =>
    row === undefined ? "-" : `${formatCount(row.callsPerSecond)} (${times(row.p50Us, row.p99Us)})`;
  const best = (system: string): number =>
    Math.max(...rows.filter((row) => nameOf(row) === system).map((row) => row.callsPerSecond));
  const systems = [...new Set(rows.map(nameOf))].sort((a, b) => best(b) - best(a));
  return table(
    [`${formatBytes(rows[0]!.payloadBytes)} of payload`, ...outstanding.map((calls) => `${calls} outstanding`)],
    systems.map((system) => [system, ...outstanding.map((calls) => cell(find(system, calls)))]),
  );
}

function openLines(rows: readonly SuiteRow[]): string[] {
  return [
    "At a fixed rate, whatever becomes of the calls before; times are counted from the moment at which a call was due.",
    "",
    ...table(
      ["system", "calls a second", "p50, p99"],
      rows.map((row) => [nameOf(row), formatCount(row.callsPerSecond), times(row.p50Us, row.p99Us)]),
    ),
  ];
}

/** The table of targets. */
function targetLines(_: unknown, targets: readonly Target[]): string[] {
  return table(
    ["target", "measured", "wanted", ""],
    targets.map((target) => [
      target.name,
      formatNumber(target.measured),
      formatWanted(target),
      target.isMet ? "met" : "**missed**",
    ]),
  );
}

function missedLines(targets: readonly Target[]): string[] {
  const missed = targets.filter(({ isMet }) => !isMet);
  if (missed.length === 0) return ["Every target of the benchmark is met."];
  const words = missed.map((each) => `${each.name} ${formatNumber(each.measured)}, wanted ${formatWanted(each)}`);
  return [`Targets missed: ${words.join("; ")}.`];
}

function scenarioLines({ scale, pooledNeedsPerPeer, rows }: ScenariosReport, targets: readonly Target[]): string[] {
  const { peers, offeredPerSecond } = scale;
  return [
    `One client of ${peers} servers, each of which answers after some milliseconds; ${formatCount(offeredPerSecond)} calls a second are due, whatever becomes of them.`,
    `${pooledNeedsPerPeer == null ? "The pooled mode never had connections enough." : `In a search for the fewest the pooled mode first carried them with ${pooledNeedsPerPeer * peers} connections; the table has the medians of all rounds.`} Carried is the share of calls`,
    "that were answered in time; times are counted from the moment at which a call was due. Before, during and after what goes wrong:",
    "",
    ...table(
      ["scenario", "mode", "connections", "carried", "p99"],
      rows.map(({ disturbance, mode, connections, phases }) => [
        ...[disturbance, mode, connections],
        phases.map((each) => formatShare(each.carriedShare)).join(", "),
        phases.map((each) => formatMs(each.p99Ms)).join(", "),
      ]),
    ),
    "",
    ...targetLines(undefined, targets),
  ];
}

/** A time that never came is null in a file. */
function formatMs(ms: number | null): string {
  return ms === null ? "never" : formatMicroseconds(ms * 1000);
}

/** What is told of the benchmark of many connections. */
interface Density {
  readonly connections: number;
  readonly idleSeconds: number;
  readonly rows: readonly {
    readonly system: string;
    readonly rssBytesEach: number;
    readonly heapBytesEach: number;
    readonly cpu: number;
  }[];
  readonly push?: {
    readonly perSecond: number;
    readonly active: number;
    readonly p50Ms: number;
    readonly p99Ms: number;
    readonly longestDelayMs: number;
  };
}

function densityLines({ connections, idleSeconds, rows, push }: Density, targets: readonly Target[]): string[] {
  return [
    `A server with ${connections} connections that have been idle for ${idleSeconds} s, Sluice's with heartbeats: memory for each, without garbage, and CPU.`,
    "",
    ...table(
      ["server", "resident set, each", "heap, each", "of a core"],
      rows.map(({ system, rssBytesEach, heapBytesEach, cpu }) => [
        ...[system, formatBytes(rssBytesEach), formatBytes(heapBytesEach), formatShare(cpu)],
      ]),
    ),
    ...(push === undefined
      ? []
      : [
          "",
          `Then ${formatCount(push.perSecond)} messages a second are pushed to ${push.active} of them: p50 and p99 ${times(push.p50Ms * 1000, push.p99Ms * 1000)} from when each was due; the event loop's longest delay was ${formatMicroseconds(push.longestDelayMs * 1000)}.`,
        ]),
    "",
    ...targetLines(undefined, targets),
  ];
}

const LOADS: Readonly<Record<string, (report: StreamReport) => string>> = {
  nothing: () => "nothing",
  "bulk-requests": ({ bulkBytes }) => `requests of ${formatBytes(bulkBytes)}`,
  "bulk-responses": ({ bulkBytes }) => `responses of ${formatBytes(bulkBytes)}`,
  "server-stream": ({ streamMessages }) => `server streams of ${formatCount(streamMessages)} messages`,
  "client-stream": ({ streamMessages }) => `client streams of ${formatCount(streamMessages)} messages`,
};

function loadName(load: string, report: StreamReport): string {
  return LOADS[load]?.(report) ?? load;
}

function streamLines(report: StreamReport, targets: readonly Target[]): string[] {
  return [
    ...(report.throughput.length > 0 ? throughputLines(report) : []),
    ...(report.beside.length > 0 ? ["", ...besideLines(report)] : []),
    ...(report.memory.length > 0 ? ["", ...memoryLines(report)] : []),
    ...["", ...missedLines(targets)],
  ];
}

function throughputLines({ throughput }: StreamReport): string[] {
  const directions = [...new Set(throughput.map(({ direction }) => direction))];
  const systems = [...new Set(throughput.map(({ system }) => system))];
  const cell = (system: string, direction: string): string => {
    const found = throughput.find((each) => each.system === system && each.direction === direction);
    if (found === undefined) return "-";
    const cpu = [found.clientCpuUsPerMessage, found.serverCpuUsPerMessage].map((us) => us.toFixed(2));
    return `${formatCount(found.messagesPerSecond)} (${cpu.join(", ")})`;
  };
  return [
    "One stream of messages with 100 bytes of payload, as fast as it goes; each message is encoded, decoded and checked. Messages a second (CPU",
    'microseconds a message of the client, of the server). Here "floor" is frames on a bare socket, without iterators, promises or credit.',
    "",
    ...table(
      ["system", ...directions.map((direction) => direction.replace("-", " "))],
      systems.map((system) => [
        system === "sluice" ? "Sluice" : system,
        ...directions.map((direction) => cell(system, direction)),
      ]),
    ),
  ];
}

function besideLines(report: StreamReport): string[] {
  const { beside, callsPerSecond } = report;
  const loads = [...new Set(beside.map(({ load }) => load))];
  const find = (load: string, connection: string): BesideRow | undefined =>
    beside.find((each) => each.load === load && each.connection === connection);
  const latencies = (found: BesideRow | undefined): string =>
    found === undefined ? "-" : times(found.p50Us, found.p99Us);
  const rate = (found: BesideRow | undefined): string => {
    if (found === undefined || found.load === "nothing") return "-";
    return found.load.startsWith("bulk")
      ? `${formatBytes(found.loadPerSecond)}/s`
      : `${formatCount(found.loadPerSecond)}/s`;
  };
  return [
    `What ${callsPerSecond} small calls a second notice of it when the same process carries something large: p50 and p99, counted from the moment at`,
    "which a call was due, with the load on the same connection and on another one.",
    "",
    ...table(
      ["beside", "same connection", "another connection", "load, same connection"],
      loads.map((load) => [
        loadName(load, report),
        latencies(find(load, "same")),
        latencies(find(load, "own")),
        rate(find(load, "same")),
      ]),
    ),
  ];
}

function memoryLines(report: StreamReport): string[] {
  const parts = report.memory.map(
    ({ memoryOf, sender, receiver }) =>
      `${loadName(memoryOf, report)} take at most ${formatBytes(sender.heapBytes)} in the sender and ${formatBytes(receiver.heapBytes)} in the receiver`,
  );
  return [`Memory: ${parts.join("; ")}; beside the caller's own message, and without garbage.`];
}

function overloadLines(report: OverloadReport, targets: readonly Target[]): string[] {
  const { peakPerSecond, deadlineMs, loads } = report;
  return [
    `A server whose handler takes a millisecond of CPU, at its defaults, and an open loop with Poisson arrivals in a process of its own. The peak, ${Math.round(peakPerSecond)} calls a second,`,
    `is the highest offered rate at which 99% of the calls succeed within ${deadlineMs} ms, counted from when a call was due; goodput is what succeeds so. Times are p50 and p99 of`,
    "what is let in, and p99 until a refusal has come.",
    "",
    ...table(
      ["offered", "goodput", "of the peak", "let in", "refused", "refusals"],
      loads.map((each) => [
        `${each.load}x`,
        `${Math.round(each.goodputPerSecond)}/s`,
        formatShare(each.goodputPerSecond / peakPerSecond),
        times(each.p50Ms * 1000, each.p99Ms * 1000),
        `${Math.round(each.refusedPerSecond)}/s`,
        each.refusedPerSecond > 0 ? formatMicroseconds(each.refusedP99Ms * 1000) : "-",
      ]),
    ),
    "",
    `![Goodput over offered load](${CURVE_PICTURE})`,
    "",
    ...surpriseLines(report).map((text) => `- ${text}`),
    ...["", ...missedLines(targets)],
  ];
}

/** A time that never came is null in a file. */
function after(ms: number | null): string {
  if (ms === null) return "never";
  return ms === 0 ? "at once" : `${ms} ms later`;
}

/** What happens when the load changes, or is not the same for all. */
function surpriseLines({ scenarios, refusalCost, expiredStarted }: OverloadReport): string[] {
  const { refused, step, fall, priority, fairness } = scenarios;
  const cost = [
    ...(refusalCost == null ? [] : [`${formatShare(refusalCost)} of a served call's CPU at ten times the peak`]),
    ...(refused === undefined ? [] : [`${formatMicroseconds(refused.cpuUs)} where everything is refused`]),
  ];
  const lines = [
    step && `A step from 0.5x to 10x: goodput is 90% of the peak or more ${after(step.settledMs)}.`,
    fall && `A fall from 10x to 0.8x, with clients that retry: all is as usual ${after(fall.normalMs)}.`,
    priority && `Calls of high priority at 0.7x beside 10x of others: ${formatShare(priority.success)} succeed.`,
    fairness &&
      `A hundred connections make 0.5% of the peak each; one goes on to 25%, then to ten times the peak. Of the other 99, ${fairness.errors} calls fail; their p99 is ${fairness.moreTimes.toFixed(2)} and ${fairness.mostTimes.toFixed(2)} times what it was.`,
    cost.length > 0 ? `A refusal costs ${cost.join(", ")}.` : undefined,
    `Handlers started for calls whose time was over: ${expiredStarted}.`,
  ];
  return lines.filter((text) => text !== undefined);
}

function costLines({ rows }: CostReport, targets: readonly Target[]): string[] {
  return [
    "What the task pool costs while nothing waits: the unary echo above, pipelined, and the same with a server that starts every call at once and bounds",
    "nothing, in turns. Calls a second, and microseconds of the server's CPU for each.",
    "",
    ...table(
      ["outstanding", "with the pool", "without it", "cost"],
      rows.map(({ outstanding, pooled, direct, pooledCpuUs, directCpuUs, cost }) => [
        outstanding,
        `${formatCount(pooled)} (${pooledCpuUs.toFixed(2)})`,
        `${formatCount(direct)} (${directCpuUs.toFixed(2)})`,
        `${(cost * 100).toFixed(1)}%`,
      ]),
    ),
    ...["", ...missedLines(targets)],
  ];
}
