// The seed of every random test. A run is the same each time unless it is told otherwise, so that a failure is the
// change's and not the day's: SEED=random draws a new seed, SEED=N repeats one; each test prints the seed it used.

/** The seed that SEED asks for; 1 without it. */
export function testSeed(): number {
  const wanted = process.env.SEED ?? "1";
  return wanted === "random" ? Date.now() % 1_000_000_000 : Number(wanted);
}
