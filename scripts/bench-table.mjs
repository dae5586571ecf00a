// Writes README's benchmark tables from result files: `node scripts/bench-table.mjs FILE`. A file of `npm run bench` makes the
// table between the `bench` markers, one of `npm run bench:streams`, `bench:overload` or `bench:pool-cost` what is between those
// of `bench-streams`, `bench-overload` or `bench-pool-cost`. What a table says is what the file says, the losing cells and
// missed targets too.

import { readFileSync, writeFileSync } from "node:fs";

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error("usage: node scripts/bench-table.mjs FILE");
const report = JSON.parse(readFileSync(file, "utf8"));

const count = (value) =>
  value >= 1e6
    ? `${(value / 1e6).toFixed(2)} M`
    : value >= 1e5
      ? `${Math.round(value / 1e3)} k`
      : `${(value / 1e3).toFixed(1)} k`;
const time = (us) =>
  us < 999.5 ? `${us.toFixed(0)} us` : `${(us / 1000).toFixed(us < 9995 ? 2 : us < 99_950 ? 1 : 0)} ms`;
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(bytes < 1e8 ? 1 : 0)} MB`;
const row = (cells) => `| ${cells.join(" | ")} |`;
const table = (titles, rows) => [row(titles), row(titles.map(() => "---")), ...rows.map(row)];

const callLines = ({ rows }) => {
  const nameOf = ({ system, mode }) => (system === "sluice" ? `Sluice, ${mode}` : system);
  const outstanding = [...new Set(rows.map((each) => each.outstanding))].sort((a, b) => a - b);
  const find = (system, calls) => rows.find((each) => nameOf(each) === system && each.outstanding === calls);
  const cell = (found) =>
    found === undefined ? "-" : `${count(found.callsPerSecond)} (${time(found.p50Us)}, ${time(found.p99Us)})`;
  const best = (system) => find(system, outstanding.at(-1))?.callsPerSecond ?? 0;
  const systems = [...new Set(rows.map(nameOf))].sort((a, b) => best(b) - best(a));
  return [
    `Unary echo of a message with ${rows[0].payloadBytes} bytes of payload, decoded and encoded on both sides; client and server in processes of their`,
    'own, a core each; medians over interleaved rounds. Calls a second (p50, p99), by calls outstanding. "Floor" is the least that can be done in',
    "Node: sockets, frames with an id, a hand-written codec, a promise a call, a synchronous handler; it is no RPC framework.",
    "",
    ...table(
      ["system", ...outstanding.map((calls) => `${calls} outstanding`)],
      systems.map((system) => [system, ...outstanding.map((calls) => cell(find(system, calls)))]),
    ),
  ];
};

const LOADS = {
  nothing: () => "nothing",
  "bulk-requests": ({ bulkBytes }) => `requests of ${bulkBytes / 1e6} MB`,
  "bulk-responses": ({ bulkBytes }) => `responses of ${bulkBytes / 1e6} MB`,
  "server-stream": ({ streamMessages }) => `server streams of ${count(streamMessages)} messages`,
  "client-stream": ({ streamMessages }) => `client streams of ${count(streamMessages)} messages`,
};

const streamLines = (streams) => [
  ...(streams.throughput.length > 0 ? throughputLines(streams) : []),
  ...(streams.beside.length > 0 ? ["", ...besideLines(streams)] : []),
  ...(streams.memory.length > 0 ? ["", ...memoryLines(streams)] : []),
  ...["", ...missedLines(streams)],
];

const throughputLines = ({ throughput }) => {
  const directions = [...new Set(throughput.map(({ direction }) => direction))];
  const systems = [...new Set(throughput.map(({ system }) => system))];
  const cell = (system, direction) => {
    const found = throughput.find((each) => each.system === system && each.direction === direction);
    if (found === undefined) return "-";
    const [client, server] = [found.clientCpuUsPerMessage, found.serverCpuUsPerMessage];
    return `${count(found.messagesPerSecond)} (${client.toFixed(2)}, ${server.toFixed(2)})`;
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
};

const besideLines = (streams) => {
  const { beside, callsPerSecond } = streams;
  const loads = [...new Set(beside.map(({ load }) => load))];
  const find = (load, connection) => beside.find((each) => each.load === load && each.connection === connection);
  const latencies = (found) => (found === undefined ? "-" : `${time(found.p50Us)}, ${time(found.p99Us)}`);
  const rate = ({ load, loadPerSecond }) => {
    if (load === "nothing") return "-";
    return load.startsWith("bulk") ? `${megabytes(loadPerSecond)}/s` : `${count(loadPerSecond)}/s`;
  };
  return [
    `What ${callsPerSecond} small calls a second notice of it when the same process carries something large: p50 and p99, counted from the moment at`,
    "which a call was due, with the load on the same connection and on another one.",
    "",
    ...table(
      ["beside", "same connection", "another connection", "load, same connection"],
      loads.map((load) => [
        LOADS[load](streams),
        latencies(find(load, "same")),
        latencies(find(load, "own")),
        rate(find(load, "same")),
      ]),
    ),
  ];
};

const memoryLines = (streams) => [
  `Memory: ${streams.memory
    .map(
      ({ memoryOf, sender, receiver }) =>
        `${LOADS[memoryOf](streams)} take at most ${megabytes(sender.heapBytes)} in the sender and ${megabytes(receiver.heapBytes)} in the receiver`,
    )
    .join("; ")}; beside the caller's own message, and without garbage.`,
];

const missedLines = ({ targets }) => {
  const missed = targets.filter(({ isMet }) => !isMet);
  const wanted = ({ least, most }) => (least === undefined ? `at most ${most}` : `at least ${least}`);
  if (missed.length === 0) return ["Every target of the benchmark is met."];
  return [
    `Targets missed: ${missed.map((each) => `${each.name} ${each.measured ?? "never"}, wanted ${wanted(each)}`).join("; ")}.`,
  ];
};

const overloadLines = (overload) => [
  `A server whose handler takes a millisecond of CPU, at its defaults, and an open loop with Poisson arrivals in a process of its own. The peak, ${Math.round(overload.peakPerSecond)} calls a second,`,
  `is the highest offered rate at which 99% of the calls succeed within ${overload.deadlineMs} ms, counted from when a call was due; goodput is what succeeds so. Times are p50 and p99 of`,
  "what is let in, and p99 until a refusal has come.",
  "",
  ...table(
    ["offered", "goodput", "of the peak", "let in", "refused", "refusals"],
    overload.loads.map((each) => [
      `${each.load}x`,
      `${Math.round(each.goodputPerSecond)}/s`,
      share(each.goodputPerSecond / overload.peakPerSecond),
      `${time(each.p50Ms * 1000)}, ${time(each.p99Ms * 1000)}`,
      `${Math.round(each.refusedPerSecond)}/s`,
      each.refusedPerSecond > 0 ? time(each.refusedP99Ms * 1000) : "-",
    ]),
  ),
  "",
  "![Goodput over offered load](bench/results/overload.svg)",
  "",
  ...scenarioLines(overload).map((line) => `- ${line}`),
  ...["", ...missedLines(overload)],
];

const share = (value) => `${(value * 100).toFixed(value < 0.1 ? 2 : 1)}%`;

/** A time that never came is null in a file. */
const after = (ms) => (ms === null ? "never" : ms === 0 ? "at once" : `${ms} ms later`);

const scenarioLines = ({ scenarios, refusalCost, expiredStarted }) => {
  const { refused, step, fall, priority, fairness } = scenarios;
  const cost = [
    ...(refusalCost === undefined ? [] : [`${share(refusalCost)} of a served call's CPU at ten times the peak`]),
    ...(refused === undefined ? [] : [`${time(refused.cpuUs)} where everything is refused`]),
  ];
  return [
    ...(step === undefined
      ? []
      : [`A step from 0.5x to 10x: goodput is 90% of the peak or more ${after(step.settledMs)}.`]),
    ...(fall === undefined
      ? []
      : [`A fall from 10x to 0.8x, with clients that retry: all is as usual ${after(fall.normalMs)}.`]),
    ...(priority === undefined
      ? []
      : [`Calls of high priority at 0.7x beside 10x of others: ${share(priority.success)} succeed.`]),
    ...(fairness === undefined
      ? []
      : [
          `A hundred connections make 0.5% of the peak each; one goes on to 25%, then to ten times the peak. Of the other 99, ${fairness.errors} calls fail; their p99 is ${fairness.moreTimes.toFixed(2)} and ${fairness.mostTimes.toFixed(2)} times what it was.`,
        ]),
    ...(cost.length === 0 ? [] : [`A refusal costs ${cost.join(", ")}.`]),
    `Handlers started for calls whose time was over: ${expiredStarted}.`,
  ];
};

const costLines = ({ rows, targets }) => [
  "What the task pool costs while nothing waits: the unary echo above, pipelined, and the same with a server that starts every call at once and bounds",
  "nothing, in turns. Calls a second, and microseconds of the server's CPU for each.",
  "",
  ...table(
    ["outstanding", "with the pool", "without it", "cost"],
    rows.map(({ outstanding, pooled, direct, pooledCpuUs, directCpuUs, cost }) => [
      outstanding,
      `${count(pooled)} (${pooledCpuUs.toFixed(2)})`,
      `${count(direct)} (${directCpuUs.toFixed(2)})`,
      `${(cost * 100).toFixed(1)}%`,
    ]),
  ),
  ...["", ...missedLines({ targets })],
];

const sourceLines = ({ header }) => [
  `${header.cpu}, ${header.cores ?? 2} cores, Node ${header.node.slice(1)}, ${header.date.slice(0, 10)}. Made by \`${header.command}\`; the result file is`,
  `[${file}](${file}). Machines differ and are noisy: trust the ratios within a run.`,
];

/** What a file holds tells which benchmark made it. */
const kinds = [
  ["throughput", "bench-streams", streamLines],
  ["peakPerSecond", "bench-overload", overloadLines],
  ["targets", "bench-pool-cost", costLines],
  ["rows", "bench", callLines],
];
const [, mark, lines] = kinds.find(([field]) => report[field] !== undefined);
const readme = readFileSync("README.md", "utf8");
const marked = new RegExp(`(<!-- ${mark} -->\n).*?(<!-- /${mark} -->)`, "s");
if (!marked.test(readme)) throw new Error(`README.md has no <!-- ${mark} --> and <!-- /${mark} -->`);
const text = [...lines(report), "", ...sourceLines(report)].join("\n");
writeFileSync(
  "README.md",
  readme.replace(marked, (_, begin, end) => `${begin}\n${text}\n\n${end}`),
);
