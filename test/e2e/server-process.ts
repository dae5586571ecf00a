// A server in a process of its own, for tests that kill it. Its arguments are the addresses to listen on. It tells its
// parent the addresses as bound, and whatever it failed to catch; it drains on SIGTERM and goes when the parent goes.

import { createServer } from "sluice";
import { Echo } from "../support/gen/support/v1/echo.js";

/** What the process tells its parent. */
export type Report =
  | { readonly type: "listening"; readonly addresses: readonly string[] }
  | { readonly type: "uncaught"; readonly text: string };

const tell = (report: Report): void => void process.send?.(report);

process.on("uncaughtException", (error) => tell({ type: "uncaught", text: String(error.stack) }));
process.on("disconnect", () => process.exit());

const server = createServer({ drainOnSigtermMs: 10_000, minPingIntervalMs: 0 }).handle(Echo, {
  echo: (request) => request,
  echoSoon: (request) => request,
  // Replies after as many milliseconds as the id says.
  hold: (request) => new Promise((resolve) => setTimeout(resolve, Number(request.id), request)),
  fail: () => {
    throw new Error("secret");
  },
  note: () => ({}),
});

const addresses: string[] = [];
for (const address of process.argv.slice(2)) addresses.push(await server.listen(address));
tell({ type: "listening", addresses });
// The channel to the parent keeps a process up; a drained server must be free to go.
process.channel?.unref();
