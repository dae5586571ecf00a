// Starts `program.ts` as a child, compiled, and follows its life and that of its workers.

import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { ClusterOptions } from "../../src/cluster.js";
import { compilePrograms, TestProcess } from "../support/child-process.js";
import { until } from "../support/tracker.js";
import type { Report } from "./program.js";

let program = "";

/** Compiles the program. */
export function compileProgram(): void {
  program = join(compilePrograms("cluster", import.meta.dirname), "test/cluster/program.js");
}

/** A cluster in processes of its own. */
export class ClusterChild extends TestProcess {
  /** What the primary process has printed. */
  readonly reports: Report[] = [];
  /** What all processes have printed as errors. */
  errors = "";

  constructor(options: Partial<ClusterOptions>, obstacle: string = "") {
    const all = { listen: "tcp://127.0.0.1:0", admin: "tcp://127.0.0.1:0", processes: 2, ...options };
    const child = spawn(process.execPath, [program, JSON.stringify(all), obstacle], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    super(child);
    createInterface({ input: child.stdout }).on("line", (line) => this.reports.push(JSON.parse(line) as Report));
    child.stderr.on("data", (text: Buffer) => {
      this.errors += String(text);
    });
  }

  /** Resolves when all workers listen. */
  static async start(options: Partial<ClusterOptions>, obstacle?: string): Promise<ClusterChild> {
    const cluster = new ClusterChild(options, obstacle);
    await cluster.until("it listens", ({ type }) => type === "listening");
    return cluster;
  }

  /** Where it serves. */
  get address(): string {
    return this.listening.addresses[0] as string;
  }

  /** Where its admin service is. */
  get admin(): string {
    return this.listening.admin[0] as string;
  }

  /** Resolves when `count` things were reported for which `holds` is true. */
  until(what: string, holds: (report: Report) => boolean, count: number = 1): Promise<void> {
    return until(what, () => this.reports.filter(holds).length >= count, 10_000);
  }

  private get listening(): Extract<Report, { readonly type: "listening" }> {
    return this.reports.find(({ type }) => type === "listening") as Extract<Report, { readonly type: "listening" }>;
  }
}

/** Whether a process is there. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
