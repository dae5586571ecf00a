// The server process of a cell. A cell with small calls says how long its long messages are; one without them measures a
// system's streams alone.

import { MemoryWatch } from "../lib/memory.js";
import { serveParent } from "../lib/pair.js";
import { sample } from "../macro/messages.js";
import type { ServerReport } from "./messages.js";
import { loadStreamPeer, type StreamSystem } from "./peers.js";
import { Ends } from "./sequence.js";
import { serveSluice } from "./sluice.js";

const [system, bulkBytes] = process.argv.slice(2) as [StreamSystem, string?];

const ends = new Ends();
const server =
  bulkBytes === undefined
    ? await (await loadStreamPeer(system)).serve(ends)
    : await serveSluice(ends, Number(bulkBytes));
const memory = new MemoryWatch();

function report(): ServerReport {
  const { taken, sent, errors, firstError } = ends;
  return { sample: sample(), tally: { taken, sent, errors, firstError }, memory: memory.peak() };
}

serveParent(server.address, report, () => ends.stop());
