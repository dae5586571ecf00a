// Writes README's benchmark table from a result file of `npm run bench -- --json FILE`:
// node scripts/bench-table.mjs FILE. What the table says is what the file says, the losing cells too.

import { readFileSync, writeFileSync } from "node:fs";

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error("usage: node scripts/bench-table.mjs FILE");
const { header, rows } = JSON.parse(readFileSync(file, "utf8"));
const outstanding = [...new Set(rows.map((row) => row.outstanding))].sort((a, b) => a - b);
const systems = [...new Set(rows.map(({ system, mode }) => (system === "sluice" ? `Sluice, ${mode}` : system)))];
const nameOf = ({ system, mode }) => (system === "sluice" ? `Sluice, ${mode}` : system);

const count = (value) =>
  value >= 1e6
    ? `${(value / 1e6).toFixed(2)} M`
    : value >= 1e5
      ? `${Math.round(value / 1e3)} k`
      : `${(value / 1e3).toFixed(1)} k`;
const time = (us) =>
  us < 999.5 ? `${us.toFixed(0)} us` : `${(us / 1000).toFixed(us < 9995 ? 2 : us < 99_950 ? 1 : 0)} ms`;
const cell = (system, calls) => {
  const row = rows.find((each) => nameOf(each) === system && each.outstanding === calls);
  return row === undefined ? "-" : `${count(row.callsPerSecond)} (${time(row.p50Us)}, ${time(row.p99Us)})`;
};
const best = (system) =>
  rows.find((row) => nameOf(row) === system && row.outstanding === outstanding.at(-1))?.callsPerSecond ?? 0;

const lines = [
  `Unary echo of a message with ${rows[0].payloadBytes} bytes of payload, decoded and encoded on both sides; client and server in processes of their`,
  'own, a core each; medians over interleaved rounds. Calls a second (p50, p99), by calls outstanding. "Floor" is the least that can be done in',
  "Node: sockets, frames with an id, a hand-written codec, a promise a call, a synchronous handler; it is no RPC framework.",
  "",
  `| system | ${outstanding.map((calls) => `${calls} outstanding`).join(" | ")} |`,
  `| --- |${outstanding.map(() => " --- |").join("")}`,
  ...systems
    .sort((a, b) => best(b) - best(a))
    .map((system) => `| ${system} | ${outstanding.map((calls) => cell(system, calls)).join(" | ")} |`),
  "",
  `${header.cpu}, ${header.cores ?? 2} cores, Node ${header.node.slice(1)}, ${header.date.slice(0, 10)}. Made by \`${header.command}\`; the result file is`,
  `[${file}](${file}). Machines differ and are noisy: trust the ratios within a run.`,
];

const readme = readFileSync("README.md", "utf8");
writeFileSync(
  "README.md",
  readme.replace(
    /(<!-- bench -->\n).*?(<!-- \/bench -->)/s,
    (_, begin, end) => `${begin}\n${lines.join("\n")}\n\n${end}`,
  ),
);
