// Generates all TypeScript that this repository makes of manifests, with the command line that users have:
// `npm run generate [-- --check] [folder...]`. With --check, generated files that are committed are compared with what
// they should be and nothing is written to them; those that are not committed are written in any case. Folders limit it to
// what is written under them. Needs `npm run build` before.

import { spawnSync } from "node:child_process";

const WELL_KNOWN = ["any", "duration", "empty", "field_mask", "timestamp", "wrappers"];
const PUBSUB = "node_modules/@google-cloud/pubsub/build/protos";
const GOOGLE = "node_modules/google-gax/build/protos";

const JOBS = [
  // The library's own messages import its runtime from beside them.
  { args: "proto/sluice/wire.proto -I proto/sluice --runtime ./message-runtime.js", out: "src/codec", committed: true },
  {
    args: `${WELL_KNOWN.map((name) => `proto/google/protobuf/${name}.proto`).join(" ")} -I proto/google/protobuf --runtime ../message-runtime.js`,
    out: "src/codec/well-known",
    committed: true,
  },
  // What the compiler reads and writes as a plugin of protoc.
  {
    args: "src/gen/descriptor/descriptor.proto -I src/gen/descriptor --runtime ../../codec/message-runtime.js",
    out: "src/gen/descriptor",
    committed: true,
  },
  // What Google and gRPC have made standard.
  { args: "proto/google/rpc -I proto --runtime ../../runtime.js", out: "src/standard/gen", committed: true },
  { args: "proto/grpc -I proto --runtime ../../runtime.js --descriptors", out: "src/standard/gen", committed: true },
  // What operators ask of a process.
  { args: "proto/sluice/admin.proto -I proto --runtime ../../runtime.js", out: "src/ops/gen", committed: true },
  {
    args: "src/standard/symbols.proto -I src/standard --runtime ../../codec/message-runtime.js",
    out: "src/standard/gen",
    committed: true,
  },
  { args: "bench/proto", out: "bench/gen", committed: true },
  { args: "test/support/proto", out: "test/support/gen", committed: true },
  { args: "test/interop/proto", out: "test/interop/gen", committed: true },
  {
    args: `examples/push/proto ${PUBSUB} -I examples/push/proto -I ${PUBSUB} -I ${GOOGLE}`,
    out: "examples/push/gen",
    committed: false,
  },
];

const words = process.argv.slice(2);
const isCheck = words.includes("--check");
const folders = words.filter((word) => word !== "--check");
const isWanted = ({ out }) => folders.length === 0 || folders.some((folder) => `${out}/`.startsWith(`${folder}/`));

let failures = 0;
const run = (...args) => {
  const { status } = spawnSync(process.execPath, args, { stdio: "inherit", timeout: 60_000 });
  if (status !== 0) failures++;
};
for (const { args, out, committed } of JOBS.filter(isWanted)) {
  const line = `generate ${args} --out ${out}${isCheck && committed ? " --check" : ""}`;
  console.log(`   sluice ${line.replaceAll(/ (?=-I|--)/g, " \\\n     ")}`);
  run("dist/cli/main.js", ...line.split(" "));
}
if (folders.length === 0) run("scripts/policy-table.mjs", ...(isCheck ? ["--check"] : []));
process.exitCode = failures === 0 ? 0 : 1;
