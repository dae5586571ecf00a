// The command line: where files go, what is left alone, what is refused, and which exit code says so. The command's
// function runs in this process, in a folder of its own.

import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { generateCommand } from "../../src/cli/generate.js";
import { UsageError } from "../../src/cli/usage.js";

/** The command as it is installed; there once the package is built. */
const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

let folder: string;
let errors: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-cli-"));
  errors = "";
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    errors += String(text);
    return true;
  });
  put(
    "proto/push/v1/register.proto",
    'syntax = "proto3"; package push.v1; import "push/v1/room.proto"; message Register { Room room = 1; }',
  );
  put("proto/push/v1/room.proto", 'syntax = "proto3"; package push.v1; message Room { string name = 1; }');
});

afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

const at = (path: string): string => join(folder, path);
const run = (...args: string[]): number | Promise<number> => generateCommand(args);

function put(path: string, text: string): void {
  mkdirSync(dirname(at(path)), { recursive: true });
  writeFileSync(at(path), text);
}

/** The files below a folder, sorted. */
function filesIn(folder: string): string[] {
  return readdirSync(at(folder), { recursive: true, encoding: "utf8" })
    .filter((path) => statSync(join(at(folder), path)).isFile())
    .sort();
}

describe("sluice generate", () => {
  it("generates a folder, whose path is the root of its imports", () => {
    expect(run(at("proto"), "--out", at("gen"))).toBe(0);
    expect(readFileSync(at("gen/push/v1/register.ts"), "utf8")).toContain('from "./room.js"');
    expect(existsSync(at("gen/push/v1/room.ts"))).toBe(true);
  });

  it("generates a file and the imports that its code needs", () => {
    expect(
      run(at("proto/push/v1/register.proto"), "-I", at("proto"), "--out", at("gen"), "--import-extension", ".ts"),
    ).toBe(0);
    expect(readFileSync(at("gen/push/v1/register.ts"), "utf8")).toContain('from "./room.ts"');
    expect(existsSync(at("gen/push/v1/room.ts"))).toBe(true);
  });

  it("takes a relative runtime as relative to the output folder", () => {
    expect(run(at("proto"), "--out", at("gen"), "--runtime", "./message-runtime.js")).toBe(0);
    expect(readFileSync(at("gen/push/v1/room.ts"), "utf8")).toContain('from "../../message-runtime.js"');
  });

  it("rewrites only what changed", () => {
    run(at("proto"), "--out", at("gen"));
    utimesSync(at("gen/push/v1/room.ts"), 1, 1);
    put(
      "proto/push/v1/register.proto",
      'syntax = "proto3"; package push.v1; import "push/v1/room.proto"; message Register { Room den = 1; }',
    );
    run(at("proto"), "--out", at("gen"));
    expect(statSync(at("gen/push/v1/room.ts")).mtimeMs).toBe(1000);
    expect(readFileSync(at("gen/push/v1/register.ts"), "utf8")).toContain("den?: Room");
  });

  it("with --check writes nothing and says what is out of date", () => {
    expect(run(at("proto"), "--out", at("gen"), "--check")).toBe(1);
    expect(existsSync(at("gen"))).toBe(false);
    expect(errors).toContain("room.ts: out of date; run sluice generate");
    run(at("proto"), "--out", at("gen"));
    expect(run(at("proto"), "--out", at("gen"), "--check")).toBe(0);
  });

  it("exits with 1 for manifests with errors, and writes nothing", () => {
    put("proto/bad.proto", 'syntax = "proto3";\nmessage Bad { Gone a = 1; }');
    expect(run(at("proto"), "--out", at("gen"))).toBe(1);
    expect(errors).toBe(`${at("proto/bad.proto")}:2:15: error: unknown type "Gone"\n`);
    expect(existsSync(at("gen"))).toBe(false);
  });

  it.each([
    [[], "name the manifests"],
    [["proto"], "say where the files go with --out"],
    [["gone", "--out", "gen"], '"gone" does not exist'],
    [["--nonsense"], "Unknown option '--nonsense'"],
  ])("%o is wrong usage", (args, text) => {
    expect(() => generateCommand(args.map((arg) => (arg === "proto" ? at(arg) : arg)))).toThrow(UsageError);
    expect(() => generateCommand(args.map((arg) => (arg === "proto" ? at(arg) : arg)))).toThrow(text);
  });

  it("refuses a manifest that is in no root", () => {
    expect(() =>
      run(at("proto/push/v1/room.proto"), "-I", at("proto/push/v1/.."), "-I", at("proto"), "--out", at("gen")),
    ).not.toThrow();
    mkdirSync(at("other"));
    expect(() => run(at("proto/push/v1/room.proto"), "-I", at("other"), "--out", at("gen"))).toThrow(
      "is in none of the folders",
    );
  });

  it("does not follow a link out of a root", () => {
    put("secret.proto", 'syntax = "proto3"; message Secret {}');
    symlinkSync(at("secret.proto"), at("proto/link.proto"));
    put("proto/user.proto", 'syntax = "proto3"; import "link.proto"; message User { Secret secret = 1; }');
    expect(run(at("proto/user.proto"), "-I", at("proto"), "--out", at("gen"))).toBe(1);
    expect(errors).toContain("it is a link that leads out of");
  });

  it("does not write through a link out of the output folder, nor over a file that it did not make", () => {
    mkdirSync(at("elsewhere"));
    mkdirSync(at("gen"));
    symlinkSync(at("elsewhere"), at("gen/push"));
    expect(() => run(at("proto"), "--out", at("gen"))).toThrow("leads out of");
    expect(existsSync(at("elsewhere/v1"))).toBe(false);
    put("other/push/v1/room.ts", "mine\n");
    expect(() => run(at("proto"), "--out", at("other"))).toThrow("was not made by sluice");
    expect(readFileSync(at("other/push/v1/room.ts"), "utf8")).toBe("mine\n");
  });

  it("removes what it generated from a manifest that is gone, and nothing else", () => {
    run(at("proto"), "--out", at("gen"), "--json");
    put("gen/push/v1/mine.ts", "export const mine = 1;\n");
    put("gen/push/v1/other.ts", readFileSync(at("gen/push/v1/room.ts"), "utf8").replace("push/v1/room", "else/room"));
    put("gen/elsewhere/v1/room.ts", readFileSync(at("gen/push/v1/room.ts"), "utf8"));
    rmSync(at("proto/push/v1/register.proto"));
    put("proto/extra.proto", 'syntax = "proto3"; message Extra {}');
    expect(run(at("proto/push"), "-I", at("proto"), "--out", at("gen"), "--check")).toBe(1);
    expect(errors).toContain("register.ts: its manifest is gone; run sluice generate");
    expect(run(at("proto/push/v1/room.proto"), "-I", at("proto"), "--out", at("gen"), "--json")).toBe(0);
    expect(existsSync(at("gen/push/v1/register.ts"))).toBe(true); // only room.proto was asked for
    expect(run(at("proto/push"), "-I", at("proto"), "--out", at("gen"))).toBe(0);
    expect(readdirSync(at("gen/push/v1")).sort()).toEqual(["mine.ts", "other.ts", "room.ts"]);
    expect(existsSync(at("gen/elsewhere/v1/room.ts"))).toBe(true);
    expect(run(at("proto/push"), "-I", at("proto"), "--out", at("gen"), "--check")).toBe(0);
  });

  it("with --descriptors writes one more file, and --check notices when it is stale", () => {
    expect(run(at("proto"), "--out", at("gen"), "--descriptors")).toBe(0);
    expect(readFileSync(at("gen/descriptors.ts"), "utf8")).toContain("  // push/v1/register.proto\n");
    expect(run(at("proto"), "--out", at("gen"), "--descriptors", "--check")).toBe(0);
    put(
      "proto/push/v1/room.proto",
      'syntax = "proto3"; package push.v1; message Room { string name = 1; } message B {}',
    );
    expect(run(at("proto"), "--out", at("gen"), "--descriptors", "--check")).toBe(1);
    expect(errors).toContain("descriptors.ts: out of date; run sluice generate");
  });

  it("removes what it generated from a folder of manifests that is gone, with the folder", () => {
    put("proto/pull/v1/pull.proto", 'syntax = "proto3"; package pull.v1; message Pull {}');
    put("proto/push/v2/push.proto", 'syntax = "proto3"; package push.v2; message Push {}');
    run(at("proto"), "--out", at("gen"), "--json");
    put("gen/push/v2/mine.ts", "export const mine = 1;\n");
    put("gen/copies/v1/pull.ts", readFileSync(at("gen/pull/v1/pull.ts"), "utf8"));
    put("gen/node_modules/pull/v1/pull.ts", readFileSync(at("gen/pull/v1/pull.ts"), "utf8"));
    rmSync(at("proto/pull"), { recursive: true });
    rmSync(at("proto/push/v2"), { recursive: true });
    const left = ["copies/v1/pull.ts", "node_modules/pull/v1/pull.ts", "push/v2/mine.ts"];

    expect(run(at("proto"), "--out", at("gen"), "--json", "--check")).toBe(1);
    const stale = ["pull/v1/pull.json.ts", "pull/v1/pull.ts", "push/v2/push.json.ts", "push/v2/push.ts"];
    expect(errors).toBe(
      stale.map((path) => `${at(`gen/${path}`)}: its manifest is gone; run sluice generate\n`).join(""),
    );
    errors = "";
    expect(run(at("proto/push/v1"), "-I", at("proto"), "--out", at("gen"), "--json")).toBe(0);
    expect(errors).toBe(""); // only push/v1 was asked for

    expect(run(at("proto"), "--out", at("gen"), "--json")).toBe(0);
    expect(errors).toBe(stale.map((path) => `${at(`gen/${path}`)}: removed, since its manifest is gone\n`).join(""));
    const kept = filesIn("gen").filter((path) => !path.startsWith("push/v1/"));
    expect(kept).toEqual(left);
    expect(existsSync(at("gen/pull"))).toBe(false);
    expect(run(at("proto"), "--out", at("gen"), "--json", "--check")).toBe(0);
  });

  it.each([
    ["--import-extension", "js", "--import-extension is one of .js, .ts, none"],
    ["--int64", "long", "--int64 is one of bigint, string, number"],
  ])("refuses %s %s", (option, value, text) => {
    expect(() => run(at("proto"), "--out", at("gen"), option, value)).toThrow(text);
  });

  it("imports without an extension, and takes 64-bit integers as it is told", () => {
    put("proto/push/v1/room.proto", 'syntax = "proto3"; package push.v1; message Room { uint64 id = 1; }');
    expect(run(at("proto"), "--out", at("gen"), "--import-extension", "none", "--int64", "string")).toBe(0);
    expect(readFileSync(at("gen/push/v1/register.ts"), "utf8")).toContain('from "./room"');
    expect(readFileSync(at("gen/push/v1/room.ts"), "utf8")).toContain("id: string;");
  });

  it("with --watch generates again when a manifest changes, through errors, until it is interrupted", async () => {
    expect(() => run(at("proto"), "--out", at("gen"), "--watch", "--check")).toThrow("choose one");
    const controller = new AbortController();
    const exitCode = generateCommand([at("proto"), "--out", at("gen"), "--watch"], controller.signal);
    expect(readFileSync(at("gen/push/v1/room.ts"), "utf8")).toContain("name: string;");
    put("proto/push/v1/room.proto", 'syntax = "proto3"; package push.v1; message Room { Gone title = 1; }');
    await vi.waitFor(() => expect(errors).toContain('unknown type "Gone"'), 5000);
    put("proto/push/v1/room.proto", 'syntax = "proto3"; package push.v1; message Room { string title = 1; }');
    await vi.waitFor(() => expect(readFileSync(at("gen/push/v1/room.ts"), "utf8")).toContain("title: string;"), 5000);
    controller.abort();
    expect(await exitCode).toBe(0);
  });

  it("says in a sentence what the system refuses", () => {
    put("file", "");
    expect(() => run(at("proto"), "--out", at("file"))).toThrow(
      /cannot make the folder .*file: a file is where a folder/,
    );
    expect(() => run(at("proto"), "--out", at("file/deeper"))).toThrow("a file is where a folder should be");
    expect(() => run(at("proto"), "--out", "/proc/sluice")).toThrow("cannot make the folder /proc/sluice: ");
    mkdirSync(at("gen/push/v1/room.ts"), { recursive: true });
    expect(() => run(at("proto"), "--out", at("gen"))).toThrow(/cannot read .*room\.ts: a folder is where a file/);
    expect(() => run(at("proto"), "--out", at("gen"), "--check")).toThrow("a folder is where a file should be");
    mkdirSync(at("other"));
    put("other/push", "");
    expect(() => run(at("proto"), "--out", at("other"))).toThrow(UsageError);
  });

  it("refuses what can be no manifest or root", () => {
    put("notes.txt", "");
    expect(() => run(at("notes.txt"), "--out", at("gen"))).toThrow("is no manifest: their names end in .proto");
    expect(() => run(at("proto"), "-I", at("notes.txt"), "--out", at("gen"))).toThrow("-I takes a folder");
  });
});

describe("the sluice command", () => {
  const main = (...args: string[]): { status: number | null; stderr: string } =>
    spawnSync(process.execPath, [MAIN, ...args], { encoding: "utf8", timeout: 20_000 });

  it.skipIf(!existsSync(MAIN))("exits with 0, 1 or 2, and shows users no stack", () => {
    put("proto/bad.proto", 'syntax = "proto3";\nmessage Bad { Gone a = 1; }');
    expect(main("generate", at("proto/push"), "-I", at("proto"), "--out", at("gen"))).toMatchObject({ status: 0 });
    const wrong = main("generate", at("proto"), "--out", at("gen"));
    expect(wrong).toMatchObject({ status: 1, stderr: expect.stringContaining("bad.proto:2:15: error: ") });
    for (const args of [
      ["genrate"],
      ["generate"],
      ["generate", at("proto/push"), "-I", at("proto"), "--out", "/proc/x"],
    ]) {
      const { status, stderr } = main(...args);
      expect(status).toBe(2);
      expect(stderr).toMatch(/^sluice: [^\n]+\n$/);
    }
    expect(main("genrate").stderr).toContain('did you mean "generate"?');
  });
});
