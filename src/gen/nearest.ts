// "Did you mean": which of the names that exist a misspelt one is most like. It knows nothing of manifests.

/** A guess among all types or manifests compares every name; a run has no time for more such guesses than this. */
export const MAX_GUESSES = 100;

/** Comparing takes time that grows with the square of this; no person misspells a longer name. */
const MAX_LENGTH = 200;

/**
 * The candidate most like `name`, if any is like it: at most one change in three characters, and never more than two.
 * `spell` gives what is compared of a candidate.
 */
export function nearest<Candidate>(
  name: string,
  candidates: Iterable<Candidate>,
  spell: (candidate: Candidate) => string,
): Candidate | undefined {
  if (name.length > MAX_LENGTH) return undefined;
  let best: Candidate | undefined;
  let bestDistance = Math.min(3, Math.ceil(name.length / 3) + 1);
  for (const candidate of candidates) {
    const distance = editDistance(name, spell(candidate), bestDistance);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** `; did you mean "name"?`, or nothing. */
export function didYouMean(name: string | undefined): string {
  return name === undefined ? "" : `; did you mean ${JSON.stringify(name)}?`;
}

/** Levenshtein's distance, with two neighbours that changed places as one change; or `limit` if it is not smaller. */
export function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swapped = isSwap ? beforePrevious[j - 2]! + 1 : limit;
      row.push(Math.min(previous[j]! + 1, row[j - 1]! + 1, previous[j - 1]! + cost, swapped));
    }
    if (Math.min(...row) >= limit) return limit;
    [beforePrevious, previous] = [previous, row];
  }
  return Math.min(limit, previous[b.length]!);
}
