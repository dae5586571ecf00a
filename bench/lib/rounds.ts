// The order of measurements: every cell once a round, every second round backwards, so that a machine that slows down or
// speeds up does so for all of them.

/** Measures each of `cells` `rounds` times; what is returned has the measurements of each cell, in the cells' order. */
export async function measureInRounds<Cell, Measured>(
  cells: readonly Cell[],
  rounds: number,
  measure: (cell: Cell, round: number) => Promise<Measured>,
): Promise<Measured[][]> {
  const measurements: Measured[][] = cells.map(() => []);
  const order = cells.map((_, index) => index);
  for (let round = 1; round <= rounds; round++) {
    for (const index of round % 2 === 1 ? order : order.toReversed()) {
      measurements[index]!.push(await measure(cells[index]!, round));
    }
  }
  return measurements;
}
