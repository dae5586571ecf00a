// What keeps a log fit to read: a line a second at most for what may come in thousands, and text from elsewhere cut and
// escaped, so that neither a peer nor an outage can fill a disk or forge a line.

import type { Clock } from "../transport/clock.js";

/** Text from a peer or a handler takes at most this many bytes of a line, with the escapes that JSON needs. */
const MAX_TEXT = 200;
/** Text that JSON writes as it is. */
const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;
/** At most one line of a kind in this many milliseconds; a line says how many it stands for. */
const INTERVAL_MS = 1_000;

/** Lets one event an interval through, and counts the others. */
export class LineLimit {
  private readonly clock: Clock;
  private openAt = Number.NEGATIVE_INFINITY;
  private suppressed = 0;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** How many events were held back since the last one that passed; undefined if this one is held back too. */
  pass(): number | undefined {
    const now = this.clock.now();
    if (now < this.openAt) {
      this.suppressed++;
      return undefined;
    }
    this.openAt = now + INTERVAL_MS;
    const { suppressed } = this;
    this.suppressed = 0;
    return suppressed;
  }
}

/** Cuts a text, and writes what a terminal or a line-based reader could take for more than text as escapes. */
export function cut(text: string): string {
  if (text.length <= MAX_TEXT && PLAIN.test(text)) return text;
  let kept = "";
  let bytes = 0;
  for (const c of text.slice(0, MAX_TEXT)) {
    const written = c.replace(/[^\x20-\x7e\n]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
    bytes += JSON.stringify(written).length - 2;
    if (bytes > MAX_TEXT) break;
    kept += written;
  }
  return bytes > MAX_TEXT || text.length > MAX_TEXT ? `${kept}...` : kept;
}
