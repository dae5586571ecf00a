// The server process of one cell: serves one system and says, when asked, what it has used. Connections are counted
// through Node's diagnostics channel, so that no system has to count its own. What it allocates is counted for a short
// while after the timed window, when the client goes on for as long.

import { subscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";
import { AllocationCount } from "../lib/allocation.js";
import { type Moment, serveParent } from "../lib/pair.js";
import { SERVER_COUNTS_MS, type ServerReport, sample } from "./messages.js";
import type { Variant } from "./peer.js";
import { loadPeer, type System } from "./peers.js";

const [system, variant] = process.argv.slice(2) as [System, Variant | undefined];

let opened = 0;
let open = 0;
let peak = 0;
subscribe("net.server.socket", (message) => {
  const { socket } = message as { socket: Socket };
  opened++;
  open++;
  peak = Math.max(peak, open);
  socket.once("close", () => open--);
});

let allocatedBytesPerUs = 0;
function countAllocations(): void {
  const count = new AllocationCount();
  setTimeout(() => {
    allocatedBytesPerUs = count.stop();
  }, SERVER_COUNTS_MS);
}

const peer = await loadPeer(system);
const server = await peer.serve(variant);
serveParent(server.address, (moment: Moment): ServerReport => {
  const report = { sample: sample(), connections: { opened, peak }, rssBytes: process.memoryUsage.rss() };
  if (moment === "after") countAllocations();
  return { ...report, allocatedBytesPerUs };
});
