// The texts of manifests, which are let go of once they are parsed: what stays in memory, and that diagnostics have their
// places and lines all the same.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { render, type Screen } from "../../src/cli/report.js";
import { compile } from "../../src/gen/generate.js";
import { FolderReader, load } from "../../src/gen/load.js";
import { Diagnostics } from "../../src/gen/source.js";

const terminal: Screen = { isTerminal: true, hasColour: false, columns: 60 };
const MIB = 2 ** 20;

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-source-"));
});

afterEach(() => rmSync(folder, { recursive: true }));

describe("the text of a manifest in a folder", () => {
  it("is kept alive by no name, comment, option or import of it", () => {
    const names = Array.from({ length: 20 }, (_, index) => `a_manifest_with_a_long_name_${index}.proto`);
    for (const name of names) writeFileSync(join(folder, name), manifestOf(MIB));
    load(names, new FolderReader([folder]), new Diagnostics()); // what is made once and for all is made
    const before = heapInUse();
    const syntaxes = load(names, new FolderReader([folder]), new Diagnostics());
    expect(heapInUse() - before).toBeLessThan(2 * MIB);
    expect(syntaxes.at(-1)!.messages[0]!.fields[0]!.comment).toBe(" The only comment of this field.\n");
  });

  it("is read again for the place and the line of a mistake", () => {
    writeFileSync(join(folder, "a.proto"), 'syntax = "proto3";\n\nmessage Order {\n  Missing item = 1;\n}\n');
    expect(render(diagnose("a.proto"), terminal)).toBe(
      `${join(folder, "a.proto")}:4:3: error: unknown type "Missing"\n    4 |   Missing item = 1;\n      |   ^\n`,
    );
  });

  it("may be gone by then", () => {
    writeFileSync(join(folder, "a.proto"), 'syntax = "proto3";\n\nmessage Order {\n  Missing item = 1;\n}\n');
    const found = diagnose("a.proto", () => rmSync(join(folder, "a.proto")));
    expect(render(found, terminal)).toContain('unknown type "Missing"');
  });
});

function diagnose(name: string, beforeReport = (): void => undefined): ReturnType<Diagnostics["sorted"]> {
  const diagnostics = new Diagnostics();
  compile([name], new FolderReader([folder]), diagnostics);
  beforeReport();
  return diagnostics.sorted();
}

/** A manifest with one of everything that has a name, and comments of nothing up to a size. */
function manifestOf(bytes: number): string {
  const head = `// The comment of the whole manifest.
syntax = "proto2";
package a_package_with_a_long_name.and_another_part;
import "google/protobuf/descriptor.proto";
extend google.protobuf.FieldOptions { optional string an_option_with_a_long_name = 50000; }
// The only comment of this message.
message AMessageWithALongName {
  // The only comment of this field.
  optional .a_package_with_a_long_name.and_another_part.AnEnumWithALongName a_field_with_a_long_name = 1
      [(an_option_with_a_long_name) = "a value that is long", default = A_VALUE_WITH_A_LONG_NAME];
  oneof a_oneof_with_a_long_name { string a_case_with_a_long_name = 2; }
  map<string, AMessageWithALongName> a_map_with_a_long_name = 3;
  reserved "a_reserved_long_name";
}
enum AnEnumWithALongName { A_VALUE_WITH_A_LONG_NAME = 0; /* The comment of this value. */ }
service AServiceWithALongName { rpc AMethodWithALongName(AMessageWithALongName) returns (stream AMessageWithALongName); }
`;
  const filler = "\n// This comment belongs to nothing, since blank lines are around it.\n";
  return head + filler.repeat(bytes / filler.length);
}

/** Of this thread, after a collection. */
function heapInUse(): number {
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  collect();
  return getHeapStatistics().used_heap_size;
}
