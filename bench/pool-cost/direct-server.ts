// The server process of `npm run bench`, with open gates: those of the package that it serves with.

import type * as pools from "../../src/flow/task-pool.js";
import { openGates } from "./open-gate.js";

const module = new URL("../../../dist/flow/task-pool.js", import.meta.url);
const { TaskPool } = (await import(module.href)) as typeof pools;
openGates(TaskPool);
await import("../macro/server-process.js");
