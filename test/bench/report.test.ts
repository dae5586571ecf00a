// The report: README and the page say what the committed result files say, and files of benchmarks that nobody knew are shown.

import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { drawBars } from "../../bench/lib/bars.js";
import { makeHeader } from "../../bench/lib/header.js";
import { makeOutputs, staleOutputs } from "../../bench/report/outputs.js";
import { renderPage } from "../../bench/report/page.js";
import { drawPictures } from "../../bench/report/pictures.js";
import { proseOf, renderReadme } from "../../bench/report/readme.js";
import { parseResult } from "../../bench/report/results.js";
import { formatValue, titleOf } from "../../bench/report/values.js";

const root = resolve(import.meta.dirname, "../..");
const readme = readFileSync(join(root, "README.md"), "utf8");

const header = {
  command: "npm run bench:x",
  date: "2030-01-02T00:00:00Z",
  node: "v20",
  cpu: "cpu",
  cores: 2,
  pinned: true,
};
const result = (name: string, content: object) =>
  parseResult(`bench/results/${name}.json`, JSON.stringify({ header, ...content }));
const call = (system: string, outstanding: number, callsPerSecond: number, more: object = {}) => ({
  ...{ system, mode: "pipelined", payloadBytes: 100, outstanding, callsPerSecond, p50Us: 10, p99Us: 20 },
  ...more,
});

describe("what is committed", () => {
  it("is what the result files make it; `npm run bench:report` makes it so", () => {
    expect(staleOutputs(root, makeOutputs(root))).toEqual([]);
  });

  it("has no measured number in README outside of what is made", () => {
    const prose = proseOf(readme);
    expect(prose).not.toBe(readme);
    const claims = [
      /\d[\d.,]* ?[kM]? (calls|messages)(\/s| a second)/,
      /\d(\.\d+)?( ?x| times) (as |faster|slower|less|more|the floor|grpc|longer)/,
      /times as (long|fast|much)/,
      /\d ?% of (the floor|a call|the peak)/,
      /\d (us|ns|microseconds|nanoseconds)\b/,
      /p(50|99)\D{0,20}\d/,
    ];
    expect(claims.flatMap((claim) => prose.match(claim) ?? [])).toEqual([]);
  });
});

describe("README", () => {
  const marked = "a\n<!-- bench -->\nold\n<!-- /bench -->\nb\n";

  it("shows every system, the losing ones too, the fastest first", () => {
    const rows = [call("grpc-js", 1, 10), call("sluice", 64, 2_000), call("floor", 64, 3_000), call("sluice", 1, 100)];
    const text = renderReadme(marked, [result("unary-100", { rows })]);
    expect(text).not.toContain("old");
    expect([...text.matchAll(/^\| (?!-|100 B)(.*?) \|/gm)].map(([, name]) => name)).toEqual([
      "floor",
      "Sluice, pipelined",
      "grpc-js",
    ]);
    expect(text).toContain("| floor | - | 3.00 k (10 us, 20 us) |");
    expect(text).toContain("npm run bench:x");
    expect(text).toMatch(/^a\n.*\nb\n$/s);
  });

  it("prefers the suite, with its variants, its open loop and its targets", () => {
    const rows = [
      call("sluice", 64, 100, { variant: "loaded" }),
      call("sluice", 64, 50, { openLoop: true, p99Us: 77 }),
      call("sluice", 64, 9, { payloadBytes: 65_536 }),
    ];
    const targets = [
      { name: "fast", measured: 1, least: 2, isMet: false },
      { name: "slow", measured: null, most: 2, isMet: true },
    ];
    const text = renderReadme(marked, [result("suite", { rows, targets }), result("unary-100", { rows: [] })]);
    expect(text).toContain("| Sluice, pipelined, loaded | 100 (10 us, 20 us) |");
    expect(text).toContain("| Sluice, pipelined | 50 | 10 us, 77 us |");
    expect(text).toContain("| 64 KiB of payload | 64 outstanding |");
    expect(text).toContain("| fast | 1.00 | at least 2.00 | **missed** |");
    expect(text).toContain("| slow | never | at most 2.00 | met |");
  });

  it("shows each scenario in a line, with what came before and after", () => {
    const phase = (name: string, carriedShare: number, p99Ms: number | null) => ({
      phase: name,
      carriedShare,
      p50Ms: 1,
      p99Ms,
    });
    const rows = [
      {
        disturbance: "jitter",
        mode: "pooled",
        connections: 7,
        phases: [phase("calm", 1, 2.5), phase("disturbed", 0.5, null)],
      },
    ];
    const scale = { peers: 20, offeredPerSecond: 2_000 };
    const part = "<!-- bench-scenarios -->\n<!-- /bench-scenarios -->";
    const text = renderReadme(part, [result("scenarios", { rows, scale, pooledNeedsPerPeer: 3, targets: [] })]);
    expect(text).toContain("| jitter | pooled | 7 | 100.0%, 50.0% | 2.50 ms, never |");
    expect(text).toContain("the pooled mode first carried them with 60 connections;");
    expect(renderReadme(part, [result("scenarios", { rows, scale, targets: [] })])).toContain(
      "never had connections enough",
    );
  });

  it("shows many connections, idle and pushed to", () => {
    const rows = [{ system: "floor", rssBytesEach: 7_800, heapBytesEach: 1_100.4, cpu: 0.012 }];
    const push = { perSecond: 20_000, active: 950, p50Ms: 1, p99Ms: 12, longestDelayMs: 33 };
    const part = "<!-- bench-density -->\n<!-- /bench-density -->";
    const file = { connections: 19_000, idleSeconds: 60, rows, targets: [] };
    const text = renderReadme(part, [result("density", { ...file, push })]);
    expect(text).toContain("| floor | 7800 B | 1100 B | 1.20% |");
    expect(text).toContain("20.0 k messages a second are pushed to 950 of them: p50 and p99 1.00 ms, 12.0 ms");
    expect(renderReadme(part, [result("density", file)])).not.toContain("pushed");
  });

  it("has an empty part where there is no file, and must have a part where there is one", () => {
    expect(renderReadme(marked, [])).toBe("a\n<!-- bench -->\n\n<!-- /bench -->\nb\n");
    expect(() => renderReadme("a", [result("unary-100", { rows: [] })])).toThrow("<!-- bench -->");
  });
});

describe("the page", () => {
  const unknown = result("novel", {
    pets: 3,
    rows: [
      {
        animal: "cat",
        p50Ms: 1,
        p99Ms: 2.5,
        heapBytes: { before: 1e6, after: 2e6 },
        phases: [{ phase: "a" }, { phase: "b" }],
      },
      { animal: "<dog>", p50Ms: 3, p99Ms: null, heapBytes: { before: 0, after: 10 }, phases: [] },
    ],
    targets: [{ name: "tame", measured: 1, most: 0, isMet: false }],
  });

  it("shows a file of a benchmark that it does not know: every field, and a target that is missed", () => {
    const page = renderPage([unknown]);
    for (const text of [
      "novel",
      "npm run bench:x",
      "v20",
      "2030-01-02",
      "cat",
      "&lt;dog&gt;",
      "2.50 ms",
      "never",
      "2 MB",
      "tame",
    ])
      expect(page).toContain(text);
    expect(page.match(/MISSED/g)).toHaveLength(1);
    expect(page).toContain("0 of 1");
    for (const phase of ["a", "b"]) expect(page).toContain(`<td>${phase}</td>`);
  });

  it("needs nothing from elsewhere and runs nothing", () => {
    const page = renderPage([unknown, result("unary-100", { rows: [call("floor", 1, 10), call("sluice", 1, 9)] })]);
    expect(page).not.toMatch(/<script|<link|@import|url\(|(?:src|href)="(?!data:|#)|<[^>]* on\w+=/);
    expect(page.replaceAll("http://www.w3.org/2000/svg", "")).not.toContain("http");
  });

  it("shows a file that is a mere list", () => {
    expect(renderPage([parseResult("bench/results/old.json", '[{ "system": "x", "goodNs": 7 }]')])).toContain(
      "7.00 ns",
    );
  });

  it("names a file that cannot be read", () => {
    expect(() => parseResult("bench/results/x.json", "{")).toThrow("bench/results/x.json is no JSON");
  });
});

describe("pictures", () => {
  it("compare what did the same work, rates and latencies apart", () => {
    const rows = [call("sluice", 64, 100), call("floor", 64, 200), call("sluice", 1, 3), call("floor", 1, 4)];
    const [rates, latencies] = drawPictures(result("unary-100", { rows }));
    expect(rates).toContain("100 B of payload, 64 outstanding: floor 200, Sluice, pipelined 100. ");
    expect(latencies).toContain("10 us to 20 us");
  });

  it("are on a logarithmic scale", () => {
    const bars = [1, 10, 100, 1000].map((value) => ({ label: "x", value, text: "", isOurs: false }));
    const svg = drawBars({ title: "t", groups: [{ title: "g", bars }], format: String });
    const widths = [...svg.matchAll(/<rect .*? width="(\d+)"/g)].map(([, width]) => Number(width));
    const steps = widths.slice(1).map((width, at) => width - widths[at]!);
    expect(Math.max(...steps) - Math.min(...steps)).toBeLessThanOrEqual(2);
  });
});

it("says with which versions a file was made", () => {
  const { versions } = makeHeader("bench:x", []);
  expect(versions).toMatchObject({ sluice: expect.any(String), "@grpc/grpc-js": expect.any(String) });
  expect(renderPage([result("x", { header: { ...header, versions: { sluice: "9.8.7" } } })])).toContain("sluice 9.8.7");
});

it("shows values in the units that their names end in", () => {
  const shown = Object.entries({
    ...{ p50Us: 61.4, p99Ms: 2.5, ns: 12.34, callsPerSecond: 1_530_000, heapBytes: 1_234_567, payloadBytes: 65_536 },
    ...{ cost: -0.0075, spread: 0.12, "heapBytes.before": 12_300, cores: 2, ratio: 1.23456, late: null, ok: true },
  }).map(([name, value]) => formatValue(name, value));
  expect(shown).toEqual([
    ...["61 us", "2.50 ms", "12.3 ns", "1.53 M/s", "1.23 MB", "64 KiB"],
    ...["-0.75%", "12.0%", "12.3 KB", "2", "1.235", "never", "yes"],
  ]);
  expect(["p50Us", "callsPerSecond", "heapBytes.before", "clientCpuUsPerCall"].map(titleOf)).toEqual([
    ...["p50", "calls", "heap before", "client cpu us per call"],
  ]);
});
