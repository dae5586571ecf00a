// The benchmark of streams: its command line, and what it makes of its measurements.

import { describe, expect, it } from "vitest";
import { UsageError } from "../../bench/lib/arguments.js";
import { measureInRounds } from "../../bench/lib/rounds.js";
import { parseOptions } from "../../bench/streams/options.js";
import {
  type BesideRow,
  formatReport,
  judge,
  type MemoryRow,
  makeThroughputRow,
  type ThroughputRow,
} from "../../bench/streams/report.js";
import { IN_FLIGHT_BYTES } from "../../bench/streams/sluice.js";

const throughput = (system: ThroughputRow["system"], messagesPerSecond: number): ThroughputRow => ({
  ...{ system, direction: "server-stream", messagesPerSecond, spread: 0, errors: 0 },
  ...{ clientCpuUsPerMessage: 1, serverCpuUsPerMessage: 1 },
});
const beside = (connection: BesideRow["connection"], p50Us: number, p99Us: number): BesideRow => ({
  ...{ load: "bulk-requests", connection, p50Us, p99Us },
  ...{ calls: 500, loadPerSecond: 1e9, clientCpu: 1, serverCpu: 1, errors: 0 },
});
const memory = (heapBytes: number): MemoryRow => ({
  ...{ memoryOf: "bulk-requests", errors: 0 },
  ...{ sender: { heapBytes, rssBytes: heapBytes }, receiver: { heapBytes: 0, rssBytes: 0 } },
});
const verdicts = (rows: Partial<Parameters<typeof judge>[0]>): boolean[] =>
  judge({ throughput: [], beside: [], memory: [], bulkBytes: 1000, ...rows }).map(({ isMet }) => isMet);

describe("parseOptions", () => {
  it("measures everything when nothing is said", () => {
    expect(parseOptions([])).toMatchObject({
      ...{ json: undefined, seconds: 5, longestWarmupSeconds: 3, rounds: 3, profileInto: undefined },
      ...{ directions: ["server-stream", "client-stream"], peers: ["floor", "grpc-js"] },
      loads: ["nothing", "bulk-requests", "bulk-responses", "server-stream", "client-stream"],
      ...{ callsPerSecond: 500, bulkBytes: 50_000_000, streamMessages: 1_000_000 },
    });
  });

  it.each([
    ["an unknown load", ["--loads", "bulk"], '"bulk"'],
    ["a long message beyond what the server takes", ["--bulk", "68000000"], "--bulk"],
    ["no calls at all", ["--rate", "0"], "from 1"],
    ["an option of the other benchmark", ["--outstanding", "1"], "--outstanding"],
  ])("refuses %s, and says which", (_, args, reason) => {
    expect(() => parseOptions(args)).toThrow(UsageError);
    expect(() => parseOptions(args)).toThrow(reason);
  });
});

describe("judge", () => {
  it("wants of a stream a million messages/s or 60% of the floor, whichever is lower", () => {
    expect(verdicts({ throughput: [throughput("sluice", 1_000_000), throughput("floor", 9_000_000)] })).toEqual([true]);
    expect(verdicts({ throughput: [throughput("sluice", 999_999), throughput("floor", 9_000_000)] })).toEqual([false]);
    expect(verdicts({ throughput: [throughput("sluice", 600_000), throughput("floor", 1_000_000)] })).toEqual([true]);
    expect(verdicts({ throughput: [throughput("sluice", 599_999), throughput("floor", 1_000_000)] })).toEqual([false]);
  });

  it("wants twenty times the messages of grpc-js", () => {
    const sluice = throughput("sluice", 2_000_000);
    expect(verdicts({ throughput: [sluice, throughput("grpc-js", 100_000)] })).toEqual([true, true]);
    expect(verdicts({ throughput: [sluice, throughput("grpc-js", 100_001)] })).toEqual([true, false]);
  });

  it("compares small calls on the connection of the load with those on another one", () => {
    expect(verdicts({ beside: [beside("same", 200, 1000), beside("own", 100, 500)] })).toEqual([true, true]);
    expect(verdicts({ beside: [beside("same", 201, 1001), beside("own", 100, 500)] })).toEqual([false, false]);
    expect(verdicts({ beside: [beside("same", 200, 1000)] })).toEqual([]);
  });

  it("gives a sender the memory of one message and of what may be on its way", () => {
    expect(verdicts({ memory: [memory(IN_FLIGHT_BYTES + 1000)] })).toEqual([true]);
    expect(verdicts({ memory: [memory(IN_FLIGHT_BYTES + 1001)] })).toEqual([false]);
  });
});

describe("a report", () => {
  it("has the median of the rounds, and says what was missed", () => {
    const measured = [3, 1, 2].map((rate) => ({
      ...{ messagesPerSecond: rate * 1e6, clientCpuUsPerMessage: rate, serverCpuUsPerMessage: rate },
      ...{ errors: 1, firstError: "spoilt" },
    }));
    const row = makeThroughputRow({ system: "sluice", direction: "client-stream" }, measured);
    expect(row).toMatchObject({ messagesPerSecond: 2e6, spread: 1, clientCpuUsPerMessage: 2, errors: 3 });
    const rows = { throughput: [row], beside: [beside("same", 300, 9), beside("own", 100, 9)], memory: [memory(1)] };
    const header = { command: "bench", date: "now", node: "v20", cpu: "cpu", cores: 2, pinned: true };
    const numbers = { callsPerSecond: 500, bulkBytes: 50_000_000, streamMessages: 1_000_000 };
    const lines = formatReport({ header, ...rows, ...numbers, targets: judge({ ...rows, ...numbers }) });
    expect(lines.filter((line) => line.endsWith("MISSED"))).toHaveLength(1);
    expect(lines.filter((line) => line.endsWith("met"))).toHaveLength(3);
    expect(lines.join("\n")).toContain("2.00 M");
  });
});

describe("measureInRounds", () => {
  it("measures every cell once a round, every second round backwards", async () => {
    const order: string[] = [];
    const measured = await measureInRounds(["a", "b", "c"], 3, async (cell, round) => {
      order.push(cell + round);
      return round;
    });
    expect(order).toEqual(["a1", "b1", "c1", "c2", "b2", "a2", "a3", "b3", "c3"]);
    expect(measured).toEqual([
      [1, 2, 3],
      [1, 2, 3],
      [1, 2, 3],
    ]);
  });
});
