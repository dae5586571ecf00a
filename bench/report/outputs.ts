// Everything that is made of the result files: the report, README's tables and the pictures that README shows.

import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { renderPage } from "./page.js";
import { CALLS_PICTURE, CURVE_PICTURE, drawCalls, drawPictures } from "./pictures.js";
import { renderReadme } from "./readme.js";
import { type ResultFile, readResults } from "./results.js";

/** Where the report is, unless it is asked for elsewhere. */
export const REPORT_PATH = "bench/results/report.html";

/** A file that is made: its path below the project's folder, and its text. */
export interface Output {
  readonly path: string;
  readonly text: string;
}

/** What is to be in the files below `root`; the report goes to `reportPath`. */
export function makeOutputs(root: string, reportPath: string = REPORT_PATH): Output[] {
  const results = readResults(root);
  const readme = renderReadme(readFileSync(join(root, "README.md"), "utf8"), results);
  const find = (...names: string[]): ResultFile | undefined =>
    names.map((name) => results.find((result) => result.name === name)).find((found) => found);
  const [overload, calls] = [find("overload"), find("suite", "unary-100")];
  return [
    { path: reportPath, text: renderPage(results) },
    { path: "README.md", text: readme },
    ...(overload === undefined ? [] : [{ path: CURVE_PICTURE, text: drawPictures(overload)[0]! }]),
    ...(calls === undefined ? [] : [{ path: CALLS_PICTURE, text: drawCalls(calls) }]),
  ];
}

/** The paths of those outputs that are not what is in the files below `root`. */
export function staleOutputs(root: string, outputs: readonly Output[]): string[] {
  return outputs.filter(({ path, text }) => textOf(resolve(root, path)) !== text).map(({ path }) => path);
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
