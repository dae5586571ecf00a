// `node build/test/corpora/link.js <descriptor set> <root>...`: links the manifests that a FileDescriptorSet describes, from
// their text, and prints every difference between the two and how long linking took. Exit code 1 if there is one.

import { readFileSync } from "node:fs";
import { FileDescriptorSet } from "../../src/gen/descriptor/descriptor.js";
import { DESCRIPTOR_MANIFEST, link } from "../../src/gen/link.js";
import { FolderReader, load } from "../../src/gen/load.js";
import { Diagnostics } from "../../src/gen/source.js";
import { validate } from "../../src/gen/validate.js";
import { diffDescriptors } from "../gen/descriptor-diff.js";

/** More differences than this are counted, not shown. */
const SHOWN = 100;

const [set, ...roots] = process.argv.slice(2);
const theirs = FileDescriptorSet.fromBytes(readFileSync(set!)).file;
const names = theirs.map(({ name }) => name!);
const begun = performance.now();
const diagnostics = new Diagnostics();
const syntaxes = load([DESCRIPTOR_MANIFEST, ...names], new FolderReader(roots), diagnostics);
const { files } = link(syntaxes, diagnostics);
for (const file of files) validate(file, diagnostics);
const linkMs = performance.now() - begun;

const problems = diagnostics.lines().filter((line) => line.includes(": error: "));
const lines = [...problems, ...diffDescriptors(files, theirs)];
for (const line of lines.slice(0, SHOWN)) console.log(line);
const rpcs = files.flatMap(({ methods }) => methods).length;
console.log(
  `${names.length} manifests, ${rpcs} rpcs: linked in ${(linkMs / 1000).toFixed(1)} s; ${lines.length} differences`,
);
process.exitCode = lines.length === 0 ? 0 : 1;
