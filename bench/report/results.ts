// The result files of the benchmarks, as they are committed: what README and the report are made of. Which fields a file has is
// its benchmark's own; what they have in common is a header, tables as lists of objects, and targets.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Header } from "../lib/header.js";
import type { Target } from "../lib/targets.js";

/** Where result files are, below the project's folder. */
export const RESULTS_FOLDER = "bench/results";

/** Any value of a JSON file. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
/** An object of a JSON file. */
export interface JsonObject {
  readonly [name: string]: Json;
}

/** One file. */
export interface ResultFile {
  /** Such as `bench/results/overload.json`. */
  readonly path: string;
  /** Such as `overload`. */
  readonly name: string;
  /** Undefined in files that do not say where they come from. */
  readonly header: Partial<Header> | undefined;
  readonly targets: readonly Target[] | undefined;
  /** Everything else. */
  readonly content: JsonObject;
}

/** The result files below `root`, by name. */
export function readResults(root: string): ResultFile[] {
  return readdirSync(join(root, RESULTS_FOLDER))
    .filter((file) => file.endsWith(".json"))
    .sort()
    .map((file) => parseResult(`${RESULTS_FOLDER}/${file}`, readFileSync(join(root, RESULTS_FOLDER, file), "utf8")));
}

/** The result file at `path`, of which this is the text. Throws an error that names the file. */
export function parseResult(path: string, text: string): ResultFile {
  const name = path.slice(path.lastIndexOf("/") + 1).replace(/\.json$/, "");
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch (error) {
    throw new Error(`${path} is no JSON: ${(error as Error).message}`);
  }
  const { header, targets, ...content } = isObject(value) ? value : { rows: value };
  return {
    path,
    name,
    header: header as Partial<Header> | undefined,
    targets: targets as unknown as readonly Target[] | undefined,
    content: content as JsonObject,
  };
}

/** True for an object that is no list. */
export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** True for a list of at least one object, and nothing else. */
export function isTable(value: Json | undefined): value is readonly JsonObject[] {
  return Array.isArray(value) && value.length > 0 && value.every((each) => isObject(each));
}
