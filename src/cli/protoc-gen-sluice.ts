#!/usr/bin/env node
// `protoc-gen-sluice`: what `protoc --sluice_out` and `buf generate` run. It reads a CodeGeneratorRequest from standard input
// and writes the response to standard output; warnings go to standard error. The work is gen/plugin.ts's.

import { buffer } from "node:stream/consumers";
import { DecodeError } from "../codec/message.js";
import { runPlugin } from "../gen/plugin.js";

try {
  const { response, warnings } = runPlugin(await buffer(process.stdin));
  for (const line of warnings) process.stderr.write(`${line}\n`);
  process.stdout.write(response);
} catch (error) {
  if (!(error instanceof DecodeError)) throw error;
  process.stderr.write(`protoc-gen-sluice: this is run by protoc and buf, not by hand (${error.message})\n`);
  process.exitCode = 2;
}
