// The register's client process: `client.js <address> <mode>`, told by the demo what to run.

import { connect, type Mode } from "sluice";
import { onParent, sendToParent } from "../../bench/lib/child.js";
import { sample } from "../../bench/macro/messages.js";
import { RegisterClient } from "./gen/push/v1/register.js";
import type { Ran, Run } from "./messages.js";
import { Users } from "./users.js";

const [address, mode] = process.argv.slice(2) as [string, Mode];

async function run({ outstanding, ms, maxCalls }: Run): Promise<Ran> {
  // The mode is the only difference: the generated client and the code that uses it are the same in all three. The
  // channel is closed at the end of this block, after the calls under way.
  await using channel = connect(address, { mode });
  const users = new Users(new RegisterClient(channel), outstanding);

  const before = sample();
  await users.work(ms, maxCalls);
  const after = sample();

  const { right, wrong, failed, problem, latencies } = users;
  return {
    type: "ran",
    calls: right + wrong,
    wrong,
    failed,
    problem,
    callsPerSecond: ((right + wrong) / (after.atUs - before.atUs)) * 1e6,
    p50Us: latencies.percentile(0.5) / 1000,
    p99Us: latencies.percentile(0.99) / 1000,
    cpuUs: after.cpuUs - before.cpuUs,
    connections: channel.stats().connectionsOpened,
  };
}

onParent((message) => void run(message as Run).then(sendToParent));
