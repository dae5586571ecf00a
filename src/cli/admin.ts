// What commands that talk to a running process share: the connection to its admin service, and how a refusal is told.

import { type Channel, connect } from "../client/channel.js";
import { Code, RpcError } from "../codec/status.js";
import { printable } from "../gen/source.js";
import { AdminClient } from "../ops/admin.js";
import { UsageError } from "./usage.js";

/** What an error of a handler ends with: the method and the address, which say nothing here. */
const ORIGIN = / \(sluice\.admin\.v1\.Admin\/\w+ at \S+\)$/;
/** What an operator has written wrongly, as opposed to what does not work. */
const INPUT_CODES: readonly Code[] = [Code.INVALID_ARGUMENT, Code.NOT_FOUND];

/**
 * Runs `work` with a client of the admin service at `address`. The result is that of `work`, or 1 if the service refuses what
 * it was asked for, and says why. Throws `UsageError` where no admin service can be reached.
 */
export async function withAdmin(
  command: string,
  address: string,
  work: (admin: AdminClient) => Promise<number>,
): Promise<number> {
  const channel = open(command, address);
  try {
    return await work(new AdminClient(channel));
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    const text = printable(error.message.replace(ORIGIN, ""));
    if (error.code === Code.UNIMPLEMENTED)
      throw new UsageError(`${command}: ${address} serves no admin service; its program has to: serveAdmin(server)`);
    if (!INPUT_CODES.includes(error.code)) throw new UsageError(`${command}: ${text}`);
    process.stderr.write(`error: ${text}\n`);
    return 1;
  } finally {
    await channel.close({ graceMs: 0 });
  }
}

function open(command: string, address: string): Channel {
  try {
    // A call of a pooled channel waits for the first attempt to connect, and fails with it; nobody wants to wait for more.
    return connect(address, { mode: "pooled", waitForReady: false });
  } catch (error) {
    throw new UsageError(`${command}: ${(error as Error).message}`);
  }
}
