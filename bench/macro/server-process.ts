// The server process of one cell: serves one system and says, when asked, what it has used. Connections are counted
// through Node's diagnostics channel, so that no system has to count its own.

import { subscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";
import { serveParent } from "../lib/pair.js";
import { type ServerReport, sample } from "./messages.js";
import { loadPeer, type System } from "./peers.js";

const [system] = process.argv.slice(2) as [System];

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

const peer = await loadPeer(system);
const server = await peer.serve();
serveParent(server.address, (): ServerReport => ({ sample: sample(), connections: { opened, peak } }));
