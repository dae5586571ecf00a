// `sluice policy`: shows what a running process does with the calls of its methods under pressure, and changes it. Policies
// are in the words of manifests, and the process checks them.

import { parseArgs } from "node:util";
import { printable } from "../gen/source.js";
import type { AdminClient, MethodPolicies, SetPolicyRequestInit } from "../ops/admin.js";
import { clientPolicyMessage, readPolicy, serverPolicyMessage } from "../ops/policy-message.js";
import { type PolicyTree, withValue } from "../ops/policy-tree.js";
import { parseField, parseSetting, policyJson, policyWords, type Setting } from "../ops/policy-words.js";
import { withAdmin } from "./admin.js";
import { formatCount, nameOf, rejectedWords, runningWords } from "./counts.js";
import { type Column, formatTable } from "./table.js";
import { UsageError } from "./usage.js";

const HELP = `sluice policy <address> [method]
sluice policy <address> <method> --set <field>=<value>... --unset <field>...

Shows the methods of a running process with their policies and counters, or changes the policy of one, at once and for the
calls that wait, too. Fields are those of a manifest's "server" and "client", such as server.queue_deadline=20ms,
server.overflow=REJECT, server.batch.max_size=32, client.retry.codes=UNAVAILABLE,ABORTED.

      --set <field>=<value>  changes a field; the others stay; may be repeated
      --unset <field>        gives a field its default; may be repeated
      --channel <name>       the channel whose calls client fields are for, as the program has named it
      --json                 for programs: an array of methods, or { before, after }
  -h, --help

The process must serve the admin service, and answers callers on its own machine only unless its program says otherwise.
Exit codes: 0 done; 1 the method or channel is not there, or the policy makes no sense; 2 wrong usage, or no connection.`;

const OPTIONS = {
  set: { type: "string", multiple: true },
  unset: { type: "string", multiple: true },
  channel: { type: "string" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

const COLUMNS: readonly Column[] = [
  { title: "METHOD", align: "left" },
  { title: "RUNNING", align: "right" },
  { title: "WAITING", align: "right" },
  { title: "SUCCEEDED", align: "right" },
  { title: "FAILED", align: "right" },
  { title: "REJECTED", align: "left" },
  { title: "POLICY", align: "left" },
];

/** Runs the command; resolves with its exit code. */
export async function policyCommand(args: string[]): Promise<number> {
  const { values, positionals } = parse(args);
  if (values.help === true) return print(HELP);
  const [address, method, ...more] = positionals;
  if (address === undefined)
    throw new UsageError("policy: name the address of a process, such as tcp://127.0.0.1:7450");
  if (more.length > 0) throw new UsageError(`policy: one method at a time; "${more[0]}" is one too many`);
  const settings = [...read(values.set, parseSetting), ...read(values.unset, parseField)];
  const isJson = values.json === true;
  if (settings.length === 0) {
    const { channel } = values;
    return withAdmin("policy", address, (admin) => show(admin, method ?? "", channel, isJson));
  }
  if (method === undefined) throw new UsageError("policy: name the method to change, such as push.v1.Register/Bind");
  const request = changeOf(method, values.channel, settings);
  return withAdmin("policy", address, (admin) => change(admin, request, isJson));
}

async function show(admin: AdminClient, method: string, channel: string | undefined, isJson: boolean): Promise<number> {
  const { methods } = await admin.getPolicies({ method });
  const shown = methods.filter((each) => channel === undefined || each.channel === channel);
  if (shown.length === 0 && channel !== undefined) {
    process.stderr.write(`error: no channel ${JSON.stringify(channel)} has ${method === "" ? "methods" : method}\n`);
    return 1;
  }
  if (isJson) return print(JSON.stringify(shown.map(asJson), undefined, 2));
  return print(formatTable(COLUMNS, shown.map(rowOf)).trimEnd());
}

async function change(admin: AdminClient, request: SetPolicyRequestInit, isJson: boolean): Promise<number> {
  const { before, after } = await admin.setPolicy(request);
  if (before === undefined || after === undefined) return 0;
  if (isJson) return print(JSON.stringify({ before: asJson(before), after: asJson(after) }, undefined, 2));
  return print(`${nameOf(after)}\n  was  ${wordsOf(before) || "-"}\n  is   ${wordsOf(after) || "-"}`);
}

/** The settings as a request: they are for one side, and a channel's need its name. */
function changeOf(method: string, channel: string | undefined, settings: readonly Setting[]): SetPolicyRequestInit {
  const [{ side }] = settings as [Setting];
  const other = settings.find((setting) => setting.side !== side);
  if (other !== undefined)
    throw new UsageError("policy: server and client fields are changed by commands of their own");
  if (side === "client" && channel === undefined)
    throw new UsageError("policy: client fields are those of a channel: name it with --channel");
  if (side === "server" && channel !== undefined)
    throw new UsageError("policy: server fields are not those of a channel: leave --channel out");
  const paths = settings.map(({ names }) => names.join("."));
  const twice = paths.find((path, i) => paths.indexOf(path) !== i);
  if (twice !== undefined) throw new UsageError(`policy: ${side}.${twice} is set twice`);
  const tree = settings.reduce<PolicyTree>((at, { names, value }) => withValue(at, names, value), {});
  return {
    method,
    channel: channel ?? "",
    policy:
      side === "server"
        ? { case: "server", value: serverPolicyMessage(tree) }
        : { case: "client", value: clientPolicyMessage(tree) },
    fields: { paths },
  };
}

function rowOf(method: MethodPolicies): string[] {
  const { stats } = method;
  const counts = [stats?.waiting, stats?.succeeded, stats?.failed].map((count) => formatCount(count ?? 0));
  return [nameOf(method), runningWords(stats), ...counts, rejectedWords(stats), wordsOf(method)];
}

function wordsOf({ policy }: MethodPolicies): string {
  return policy.case === undefined ? "" : policyWords(policy.case, readPolicy(policy.case, policy.value, []));
}

function asJson({ method, channel, policy, stats }: MethodPolicies): object {
  const side = policy.case ?? "server";
  const said = policy.case === undefined ? {} : policyJson(side, readPolicy(side, policy.value, []));
  return { method, ...(channel === "" ? {} : { channel }), [side]: said, stats };
}

/** What options say, each read by `parse`. */
function read(texts: readonly string[] | undefined, parse: (text: string) => Setting | string): Setting[] {
  return (texts ?? []).map((text) => {
    const setting = parse(text);
    if (typeof setting === "string") throw new UsageError(`policy: ${printable(setting)}`);
    return setting;
  });
}

function parse(
  args: string[],
): ReturnType<typeof parseArgs<{ args: string[]; options: typeof OPTIONS; allowPositionals: true }>> {
  try {
    return parseArgs({ args, options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new UsageError(`policy: ${(error as Error).message}`);
  }
}

function print(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}
