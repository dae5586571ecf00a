// What the runner of protobuf's conformance suite talks to: on stdin it reads requests (a message in one format, and the
// format wanted), on stdout it answers. Arguments: the folder of the compiled code, and the categories to skip.

import { readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { JsonExtension, JsonMessage, JsonRegistry } from "sluice/json";

const [folder, skippedNames] = process.argv.slice(2);
const load = (path) => import(join(folder, path));
const { ConformanceRequest, ConformanceResponse, TestCategory, WireFormat } = await load("conformance/conformance.js");
const MANIFESTS = ["proto2", "proto3", "edition2023", "proto2_editions", "proto3_editions"];
const modules = await Promise.all(MANIFESTS.map((name) => load(`google/protobuf/test_messages_${name}.json.js`)));
const exported = modules.flatMap(Object.values);
const registry = new JsonRegistry(
  exported.filter((value) => value instanceof JsonMessage),
  exported.filter((value) => value instanceof JsonExtension),
);
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
  const json = registry.type(messageType);
  if (json === undefined) return { case: "runtimeError", value: `unknown type ${messageType}` };
  let message;
  try {
    const ignoreUnknown = testCategory === TestCategory.JSON_IGNORE_UNKNOWN_PARSING_TEST;
    const isJson = payload.case === "jsonPayload";
    message = isJson ? json.parse(payload.value, { registry, ignoreUnknown }) : json.type.fromBytes(payload.value);
  } catch (error) {
    return { case: "parseError", value: String(error) };
  }
  try {
    if (requestedOutputFormat === WireFormat.PROTOBUF) {
      return { case: "protobufPayload", value: json.type.toBytes(message) };
    }
    return { case: "jsonPayload", value: json.stringify(message, { registry }) };
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
