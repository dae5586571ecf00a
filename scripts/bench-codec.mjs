// `npm run bench:codec [-- --json FILE] [-- --rounds N]`: installs the codecs that ours are compared with (bench/package.json) where
// they are not yet, has ts-proto's code generated and protobuf-es's descriptors made of the benchmark's manifest, and
// runs the benchmark. All of it goes to bench/node_modules, which git ignores. Needs `npm run build` before.

import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import "./install-peers.mjs";
import { CodeGeneratorRequest, CodeGeneratorResponse, FileDescriptorSet } from "../dist/gen/descriptor/descriptor.js";
import { toDescriptor } from "../dist/gen/descriptor/to-descriptor.js";
import { link } from "../dist/gen/link.js";
import { FolderReader, load } from "../dist/gen/load.js";
import { Diagnostics } from "../dist/gen/source.js";

const bench = fileURLToPath(new URL("../bench/", import.meta.url));
const peers = join(bench, "node_modules/.peers");
const MANIFEST = "bench/v1/codec.proto";
const PLUGIN = join(bench, "node_modules/ts-proto/protoc-gen-ts_proto");
const TSC = fileURLToPath(new URL("../node_modules/typescript/bin/tsc", import.meta.url));

/** Runs a program to its end and gives what it printed; what it says about failing is shown. */
function run(command, args, options = {}) {
  const { status, stdout, error } = spawnSync(command, args, {
    stdio: ["pipe", "pipe", "inherit"],
    timeout: 120_000,
    ...options,
  });
  if (status !== 0)
    throw new Error(`${command} ${args.join(" ")} failed${error === undefined ? "" : `: ${error.message}`}`);
  return stdout;
}

function describeManifest() {
  const diagnostics = new Diagnostics();
  const { files } = link(load([MANIFEST], new FolderReader([join(bench, "proto")]), diagnostics), diagnostics);
  if (diagnostics.errorCount > 0) throw new Error(diagnostics.lines().join("\n"));
  return files.map(toDescriptor);
}

function generateTsProto(protoFile) {
  const request = {
    fileToGenerate: [MANIFEST],
    parameter: "forceLong=bigint,esModuleInterop=true,importSuffix=.js",
    protoFile,
  };
  const response = CodeGeneratorResponse.fromBytes(
    run(process.execPath, [PLUGIN], { input: CodeGeneratorRequest.toBytes(request) }),
  );
  const { content } = response.file.find(({ name }) => name === MANIFEST.replace(".proto", ".ts"));
  writeFileSync(join(peers, "ts-proto.ts"), content);
  const flags = ["--ignoreConfig", "--module", "nodenext", "--target", "es2023", "--skipLibCheck", "--types", ""];
  run(process.execPath, [TSC, ...flags, join(peers, "ts-proto.ts")]);
}

mkdirSync(peers, { recursive: true });
writeFileSync(join(peers, "package.json"), '{ "type": "module" }\n');
const descriptors = describeManifest();
writeFileSync(join(peers, "codec.binpb"), FileDescriptorSet.toBytes({ file: descriptors }));
generateTsProto(descriptors);
run(process.execPath, ["build/bench/micro/codec.js", ...process.argv.slice(2)], {
  cwd: join(bench, ".."),
  stdio: "inherit",
  timeout: 600_000,
});
