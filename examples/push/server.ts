// The register's server process: `node build/examples/push/server.js [address]`.

import { createServer } from "sluice";
import { onParent, sendToParent } from "../../bench/lib/child.js";
import { sample } from "../../bench/macro/messages.js";
import { Register } from "./gen/push/v1/register.js";
import type { FromServer } from "./messages.js";
import { MemoryRegister } from "./register.js";

// On SIGTERM it refuses new calls, finishes those under way for up to five seconds, and ends.
const server = createServer({ drainOnSigtermMs: 5_000 });
server.handle(Register, new MemoryRegister());

// Port 0 asks for any free port; the result says which one it became.
const address = await server.listen(process.argv[2] ?? "tcp://127.0.0.1:7450");
console.log(`   process ${process.pid} serves push.v1.Register at ${address}`);

// For the demo that started this process, if one did: where the server is, and what it has used whenever asked.
const tell = (message: FromServer): void => sendToParent(message);
tell({ type: "listening", address });
onParent(() => tell({ type: "used", ...sample() }));
