// The rows of unary calls, of `npm run bench` and of the suite, and what each is called in tables and pictures.

import type { Row } from "../macro/report.js";

/** A row of a suite has more than one of `npm run bench`; what it lacks is the ordinary thing. */
export interface SuiteRow extends Omit<Row, "variant" | "openLoop"> {
  /** What is unusual about the calls; undefined and `default`: nothing. */
  readonly variant?: string;
  /** True where calls were made at a fixed rate. */
  readonly openLoop?: boolean;
}

/** `Sluice, pooled`, `Sluice, pipelined, loaded`, `grpc-js`. */
export function nameOf({ system, mode, variant }: Pick<SuiteRow, "system" | "mode" | "variant">): string {
  const name = system === "sluice" ? `Sluice, ${mode}` : system;
  return variant === undefined || variant === "default" ? name : `${name}, ${variant}`;
}
