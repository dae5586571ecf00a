// Starts `server-process.ts` as a child, compiled, and follows its life.

import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { compilePrograms, TestProcess } from "../support/child-process.js";
import type { Report } from "./server-process.js";

const START_TIMEOUT_MS = 10_000;

let program = "";

/** Compiles the server. */
export function compileServer(): void {
  program = join(compilePrograms("e2e", import.meta.dirname), "test/e2e/server-process.js");
}

/** A server in a process of its own. */
export class ServerChild extends TestProcess {
  /** What it failed to catch. */
  readonly uncaught: string[] = [];
  /** Where it listens. */
  addresses: readonly string[] = [];

  private constructor(addresses: readonly string[]) {
    super(fork(program, addresses, { execArgv: [] }));
    this.child.on("message", (report: Report) => {
      if (report.type === "uncaught") this.uncaught.push(report.text);
      else this.addresses = report.addresses;
    });
  }

  /** Resolves when the server listens. */
  static async start(...addresses: readonly string[]): Promise<ServerChild> {
    const server = new ServerChild(addresses);
    const ended = server.gone.then(([code]) => Promise.reject(new Error(`the server ended with ${String(code)}`)));
    ended.catch(() => {});
    await Promise.race([once(server.child, "message", { signal: AbortSignal.timeout(START_TIMEOUT_MS) }), ended]);
    return server;
  }

  /** The only address. */
  get address(): string {
    return this.addresses[0] as string;
  }
}
