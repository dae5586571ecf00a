// What a server logs, through pino: each event is one JSON line of at most about 1 KiB, whatever a peer puts into it, and
// refusals are rate-limited, so that an attack cannot fill a disk.

import type { Logger } from "pino";
import type { RpcError } from "../codec/status.js";
import type { Clock } from "../transport/clock.js";
import type { Session } from "../transport/session.js";

/** Text from a peer or a handler takes at most this many bytes of a line, with the escapes that JSON needs. */
const MAX_TEXT = 200;
/** Text that JSON writes as it is. */
const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;
/** At most one line a second for refusals, and one for handler errors; a line says how many it stands for. */
const INTERVAL_MS = 1_000;

/** Lets one event an interval through, and counts the others. */
class RateLimit {
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

/** Writes a server's log; does nothing without a logger. */
export class ServerLog {
  private readonly logger: Logger | undefined;
  private readonly refusals: RateLimit;
  private readonly failures: RateLimit;

  constructor(logger: Logger | undefined, clock: Clock) {
    this.logger = logger;
    this.refusals = new RateLimit(clock);
    this.failures = new RateLimit(clock);
  }

  listening(address: string): void {
    this.logger?.info({ address: cut(address) }, "listening");
  }

  connected({ remote, peer }: Session): void {
    this.logger?.info({ remote: cut(remote), peer: cut(peer.peerId), agent: cut(peer.agent) }, "connected");
  }

  disconnected({ remote }: Session, error: RpcError): void {
    this.logger?.info({ remote: cut(remote), reason: cut(error.message) }, "disconnected");
  }

  connectionRefused(remote: string, reason: string): void {
    this.refused(remote, "", reason);
  }

  callRefused(remote: string, path: string, reason: string): void {
    this.refused(remote, path, reason);
  }

  handlerFailed(path: string, error: unknown): void {
    const suppressed = this.logger === undefined ? undefined : this.failures.pass();
    if (suppressed === undefined) return;
    const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
    const failure = {
      type: cut(name),
      message: cut(message),
      stack: cut((stack ?? "").split("\n").slice(1, 4).join("\n")),
    };
    this.logger?.error({ path: cut(path), error: failure, suppressed }, "handler failed");
  }

  private refused(remote: string, path: string, reason: string): void {
    const suppressed = this.logger === undefined ? undefined : this.refusals.pass();
    if (suppressed === undefined) return;
    this.logger?.warn({ remote: cut(remote), path: cut(path), reason: cut(reason), suppressed }, "refused");
  }
}

/** Cuts a text, and writes what a terminal or a line-based reader could take for more than text as escapes. */
function cut(text: string): string {
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
