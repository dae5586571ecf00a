// The simulation finds each of the committed bugs, and nothing in the code without them: otherwise its silence would
// mean nothing.

import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { MUTANTS } from "./mutants.js";
import { MutantWorkshop } from "./mutate.js";

const workshop = new MutantWorkshop(fileURLToPath(new URL("../..", import.meta.url)));

describe("the simulation finds", { timeout: 120_000 }, () => {
  beforeAll(() => workshop.build(), 60_000);

  it("nothing wrong with the code as it is", async () => {
    const { output } = await workshop.control(20);
    expect(output).toContain(" 0 failed runs");
  });

  it.for(MUTANTS.map((mutant, index) => ({ mutant, index })))("$mutant.name", async ({ mutant, index }) => {
    const { found, output } = await workshop.hunt(mutant, index);
    expect(found ? "found" : output).toBe("found");
  });
});
