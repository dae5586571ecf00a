// What the runner of protobuf's conformance suite talks to: on stdin it reads requests (a message in one format, and the
// format wanted), on stdout it answers. Arguments: the folder of the compiled code, and the categories to skip.

import { readSync, writeSync } from "node:fs";
import { join } from "node:path";

const [folder, skippedNames] = process.argv.slice(2);
const load = (path) => import(join(folder, path));
const { ConformanceRequest, ConformanceResponse, TestCategory, WireFormat } = await load("conformance/conformance.js");
const MANIFESTS = ["proto2", "proto3", "edition2023", "proto2_editions", "proto3_editions"];
const modules = await Promise.all(MANIFESTS.map((name) => load(`google/protobuf/test_messages_${name}.js`)));
const types = new Map(modules.flatMap(Object.values).map((exported) => [exported.typeName, exported]));
const skipped = new Set(skippedNames.split(",").map((name) => TestCategory[name]));

for (let size = readBytes(4); size !== undefined; size = readBytes(4)) {
  const request = ConformanceRequest.fromBytes(readBytes(size.readUInt32LE()));
  const response = ConformanceResponse.toBytes({ result: answer(request) });
  const head = Buffer.alloc(4);
  head.writeUInt32LE(response.length);
  writeAll(Buffer.concat([head, response]));
}

function answer({ messageType, testCategory, payload, requestedOutputFormat }) {
  if (skipped.has(testCategory)) return { case: "skipped", value: "not supported" };
  if (requestedOutputFormat === WireFormat.TEXT_FORMAT) return { case: "skipped", value: "not supported" };
  const type = types.get(messageType);
  if (type === undefined) return { case: "runtimeError", value: `unknown type ${messageType}` };
  let message;
  try {
    message = payload.case === "protobufPayload" ? type.fromBytes(payload.value) : undefined;
  } catch (error) {
    return { case: "parseError", value: String(error) };
  }
  try {
    return { case: "protobufPayload", value: type.toBytes(message) };
  } catch (error) {
    return { case: "serializeError", value: String(error) };
  }
}

/** `length` bytes of stdin; undefined at its end. */
function readBytes(length) {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; ) {
    const count = readSync(0, bytes, at, length - at, null);
    if (count === 0) return undefined;
    at += count;
  }
  return bytes;
}

function writeAll(bytes) {
  for (let at = 0; at < bytes.length; ) at += writeSync(1, bytes, at);
}
