// Writes what the manifest language says about policies where people read it: the options of proto/sluice/options.proto with their
// comments between README's `policies` markers, and what goes together, asked of the rules, between the `combinations` markers of
// docs/policies.md. `node scripts/policy-table.mjs [--check]`; with --check nothing is written and a difference is an error. Needs
// `npm run build` before.

import { readFileSync, writeFileSync } from "node:fs";
import { combinationMistakes } from "../dist/codec/policy-rules.js";
import { compile } from "../dist/gen/generate.js";
import { FolderReader } from "../dist/gen/load.js";
import { Diagnostics } from "../dist/gen/source.js";

const OPTIONS = "sluice/options.proto";
const isCheck = process.argv.includes("--check");

const row = (cells) => `| ${cells.join(" | ")} |`;
const table = (titles, rows) => [row(titles), row(titles.map(() => "---")), ...rows.map(row)];

// The options

const diagnostics = new Diagnostics();
const options = compile([OPTIONS], new FolderReader([]), diagnostics).find(({ name }) => name === OPTIONS);
if (diagnostics.errorCount > 0) throw new Error(diagnostics.lines().join("\n"));
const messageOf = (name) => options.messages.find((message) => message.name === name);

const oneLine = (comment) =>
  comment
    .trim()
    .split(/\s*\n\s*/)
    .join(" ")
    .replaceAll("|", "\\|");
const SCALARS = { uint32: "number", bool: "true or false", string: "text" };
const isDuration = ({ name }) => /deadline|backoff|delay/.test(name);

const typeOf = (field) => {
  if (field.type.kind === "message") return "{ ... }";
  if (field.type.kind === "enum") return field.cardinality === "repeated" ? "status codes" : "one of";
  return isDuration(field) ? "duration" : SCALARS[field.type.scalar];
};

/** The values of an enum that are a choice: the first leaves it to the service, and status codes explain themselves. */
const choices = ({ type, cardinality }) =>
  type.kind === "enum" && cardinality === "single"
    ? type.enum.values.filter(({ number }) => number > 0).map(({ name, comment }) => `\`${name}\`: ${oneLine(comment)}`)
    : [];

const rowsOf = (message, prefix = "") =>
  message.fields.flatMap((field) => {
    const name = `\`${prefix}${field.name}\``;
    const own = [name, typeOf(field), [oneLine(field.comment), ...choices(field)].join("<br>")];
    return [own, ...(field.type.kind === "message" ? rowsOf(field.type.message, `${prefix}${field.name}.`) : [])];
  });

const SIDES = ["client", "server"];
const method = rowsOf({ fields: messageOf("MethodPolicy").fields.filter(({ name }) => !SIDES.includes(name)) });
const optionLines = [
  ...table(["of an rpc", "", ""], method),
  "",
  ...table(["`client: { ... }`", "", ""], rowsOf(messageOf("ClientPolicy"))),
  "",
  ...table(["`server: { ... }`", "", ""], rowsOf(messageOf("ServerPolicy"))),
];

// What goes together

const EMPTY = "google.protobuf.Empty";
const fact = (facts) => ({
  name: "M",
  kind: "unary",
  oneWay: false,
  reply: "t.Reply",
  idempotency: "unknown",
  ...facts,
});
const STREAMS = ["client-streaming", "server-streaming", "bidi-streaming"];
const KINDS = {
  "a reply": [fact({})],
  Empty: [fact({ reply: EMPTY })],
  "one-way": [fact({ reply: EMPTY, oneWay: true })],
  streams: STREAMS.map((kind) => fact({ kind })),
};
/** True, false, or "idempotent" where only such rpcs can have it. */
const isAllowed = (kinds, policies) => {
  const allows = (more) => (each) =>
    combinationMistakes({ ...each, ...more }, { client: {}, server: {}, ...policies }).length === 0;
  if (kinds.every(allows({}))) return true;
  if (kinds.every(allows({ idempotency: "idempotent" }))) return "idempotent";
  if (kinds.some(allows({}))) throw new Error("streams differ: the table needs a column for each");
  return false;
};

const queueName = (client) => (Object.values(client).includes("queue") ? { ...client, queueName: "q" } : client);
const FAILURES = ["fail", "retry", "hedge", "log", "queue"];
const both = ["block", "reject", "log", "queue"].map((overflow) => [
  `\`overflow: ${overflow.toUpperCase()}\``,
  ...FAILURES.map((failure) => {
    const client = queueName({ overflow, failure });
    const found = Object.entries(KINDS).map(([name, kinds]) => [name, isAllowed(kinds, { client })]);
    if (found.every(([, allowed]) => allowed === true)) return "all";
    const names = found.filter(([, allowed]) => allowed !== false);
    const idempotent = names.some(([, allowed]) => allowed === "idempotent") ? "; idempotent" : "";
    return names.length === 0 ? "-" : names.map(([name]) => name).join(", ") + idempotent;
  }),
]);

const SINGLE = {
  "client `concurrency`": { client: { concurrency: 1 } },
  "client `rate`, `burst`": { client: { rate: 1, burst: 1 } },
  "client `queue`": { client: { rate: 1, queue: 1 } },
  "client `throttle`": { client: { throttle: true } },
  "client `store: ALWAYS`": { client: { failure: "queue", queueName: "q", storeAlways: true } },
  "server `concurrency`, `queue`": { server: { concurrency: 1, queue: 1, queueDeadlineMs: 1 } },
  "server `limiter: ADAPTIVE`": { server: { limiter: "adaptive" } },
  "server `rate`, `burst`": { server: { rate: 1, burst: 1 } },
  "server `overflow: REJECT`": { server: { overflow: "reject" } },
  "server `overflow: LOG`": { server: { overflow: "log" } },
  "server `batch`": { server: { batch: {} } },
};
const single = Object.entries(SINGLE).map(([name, policies]) => [
  name,
  ...Object.values(KINDS).map((kinds) => (isAllowed(kinds, policies) === true ? "yes" : "-")),
]);

const combinationLines = [
  ...table(["client", ...FAILURES.map((failure) => `\`failure: ${failure.toUpperCase()}\``)], both),
  "",
  ...table(["", ...Object.keys(KINDS)], single),
];

// Writing

const stale = [];
const write = (file, mark, lines) => {
  const text = readFileSync(file, "utf8");
  const marked = new RegExp(`(<!-- ${mark} -->\n).*?(<!-- /${mark} -->)`, "s");
  if (!marked.test(text)) throw new Error(`${file} has no <!-- ${mark} --> and <!-- /${mark} -->`);
  const wanted = text.replace(marked, (_, begin, end) => `${begin}\n${lines.join("\n")}\n\n${end}`);
  if (wanted === text) return;
  if (isCheck) stale.push(`${file}: what is between the "${mark}" markers is stale: npm run generate`);
  else writeFileSync(file, wanted);
};
write("README.md", "policies", optionLines);
write("docs/policies.md", "combinations", combinationLines);
for (const line of stale) console.error(line);
process.exitCode = stale.length > 0 ? 1 : 0;
