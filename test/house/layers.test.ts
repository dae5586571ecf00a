// The layers of ARCHITECTURE.md hold: who may import whom, where node:net may be named, no cycles, no barrels.

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { expect, test } from "vitest";

const root = resolve(import.meta.dirname, "../../src");

/** Layer -> the layers that it may import, its own aside. A file directly in src/ is a layer of its own. */
const allowed: Record<string, readonly string[]> = {
  codec: [],
  transport: ["codec"],
  flow: ["transport", "codec"],
  call: ["flow", "transport", "codec"],
  client: ["call", "flow", "transport", "codec"],
  server: ["call", "flow", "transport", "codec"],
  gen: ["codec"],
  "runtime.ts": ["call", "codec"],
  "json.ts": ["codec"],
  "index.ts": ["client", "server", "call", "flow", "transport", "codec"],
  "queue.ts": ["flow", "transport", "codec"],
  "testing.ts": ["testing", "client", "server", "call", "flow", "transport", "codec"],
  testing: ["transport", "codec"],
  "worker.ts": ["worker"],
  worker: ["call", "flow", "transport", "codec"],
  standard: ["runtime.ts", "server", "call", "flow", "transport", "codec"],
  ops: ["runtime.ts", "client", "server", "call", "flow", "transport", "codec"],
  "cluster.ts": ["cluster", "codec"],
  cluster: ["ops", "client", "server", "flow", "transport", "codec"],
  cli: ["ops", "queue.ts", "gen", "client", "server", "call", "flow", "transport", "codec"],
};

/** The only files that may re-export everything of others. */
const faces = [
  "index.ts",
  "runtime.ts",
  "json.ts",
  "testing.ts",
  "codec/message-runtime.ts",
  "ops/admin.ts",
  ...["details", "health", "reflection"].map((name) => `standard/${name}.ts`),
];

const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
const sources = new Map(files.map((file) => [file, readFileSync(join(root, file), "utf8")]));

function imports(file: string): string[] {
  const text = sources.get(file) ?? "";
  return [...text.matchAll(/^(?:import|export)\b[^"';]*?from\s+"([^"]+)"|^import\s+"([^"]+)"/gms)].map(
    (m) => (m[1] ?? m[2]) as string,
  );
}

function ownImports(file: string): string[] {
  return imports(file)
    .filter((specifier) => specifier.startsWith("."))
    .map((specifier) => relative(root, resolve(root, dirname(file), specifier)).replace(/\.js$/, ".ts"));
}

const layerOf = (file: string): string => file.split("/")[0] as string;

test("every import points to a layer below", () => {
  const wrong = files.flatMap((file) =>
    ownImports(file)
      .filter(
        (target) => layerOf(target) !== layerOf(file) && !(allowed[layerOf(file)] ?? []).includes(layerOf(target)),
      )
      .map((target) => `${file} imports ${target}`),
  );
  expect(wrong).toEqual([]);
  expect(files.map(layerOf).filter((layer) => allowed[layer] === undefined)).toEqual([]);
});

test("an import names a file that exists", () => {
  const missing = files.flatMap((file) =>
    ownImports(file)
      .filter((target) => !sources.has(target))
      .map((target) => `${file}: ${target}`),
  );
  expect(missing).toEqual([]);
});

test("whoever does not import sluice/json does not load the JSON of messages", () => {
  const isJson = (file: string): boolean => file === "json.ts" || file.startsWith("codec/json/");
  expect(files.filter((file) => !isJson(file) && ownImports(file).some(isJson))).toEqual([]);
});

test("whoever does not import sluice/queue does not load a store for queues", () => {
  const isStore = (file: string): boolean => /^flow\/queue\/(.*disk|log-.*|lock|memory-store)\.ts$/.test(file);
  const isFree = (file: string): boolean => isStore(file) || file === "queue.ts" || file.startsWith("cli/");
  expect(files.filter((file) => !isFree(file) && ownImports(file).some(isStore))).toEqual([
    "flow/queue/compactor.ts",
    "flow/queue/segment.ts",
  ]);
});

test("whoever does not import sluice/cluster does not load node:cluster", () => {
  const users = files.filter((file) => imports(file).includes("node:cluster"));
  expect(users.filter((file) => !/^cluster(\/|\.ts$)/.test(file))).toEqual([]);
});

test("sockets are named in one file", () => {
  const users = files.filter((file) =>
    imports(file).some((specifier) => /^node:(net|tls|http|https|dgram)$/.test(specifier)),
  );
  expect(users).toEqual(["transport/socket.ts"]);
});

test("the codec and the protocol core read no clock and draw no random numbers", () => {
  const users = files.filter(
    (file) =>
      /^(codec|transport|call|client|server)\//.test(file) &&
      /\b(Date\.now|performance\.now|Math\.random|setTimeout|setInterval|setImmediate)\(/.test(sources.get(file) ?? ""),
  );
  expect(users).toEqual(["transport/clock.ts"]);
});

test("no imports go in circles at run time", () => {
  const valueImports = (file: string): string[] => {
    const text = (sources.get(file) ?? "").replace(/^(import|export) type\b[^;]*;/gms, "");
    return [...text.matchAll(/^(?:import|export)\b[^"';]*?from\s+"(\.[^"]+)"/gms)].map((m) =>
      relative(root, resolve(root, dirname(file), m[1] as string)).replace(/\.js$/, ".ts"),
    );
  };
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) cycles.push([...path.slice(path.indexOf(file)), file].join(" -> "));
    if (path.includes(file) || done.has(file)) return;
    for (const target of valueImports(file)) visit(target, [...path, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
  expect(cycles).toEqual([]);
});

test("only the faces re-export whole files, and nothing is exported as default", () => {
  expect(files.filter((file) => /^export \*/m.test(sources.get(file) ?? "") && !faces.includes(file))).toEqual([]);
  expect(files.filter((file) => /^export default/m.test(sources.get(file) ?? ""))).toEqual([]);
});
