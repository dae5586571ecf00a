// The faults that the simulation knows, by name, and the record of whom each one struck and when. A fault strikes a
// client when it has an effect on it, not when it is planned: a refusal strikes when a dial is refused.

/** Every kind of fault. */
export const FAULT_KINDS = [
  "delay", // segments take much longer
  "slice", // segments are cut into pieces, down to one byte
  "slow-reader", // a narrow window: writes are held back
  "cut", // the connection is reset at a byte
  "half-close", // one direction ends at a byte, the other lives on
  "silence", // nothing gets through for a while, no FIN
  "dead-link", // nothing gets through for ever, no FIN
  "refuse", // dials are refused
  "dial-hang", // dials are never answered
  "mute", // dials are accepted by nobody who speaks
  "crash", // the server dies and comes back
  "power-loss", // the server dies without a reset and comes back
  "replay", // the server sends responses again that it has sent before
  "drain", // the server closes in good order and comes back
  "stall-client", // the client's event loop stops for a while
  "stall-server", // the server's event loop stops for a while
] as const;

/** The name of a fault. */
export type FaultKind = (typeof FAULT_KINDS)[number];

/** One effect of a fault on one client. */
export interface Strike {
  readonly kind: FaultKind;
  readonly client: string;
  readonly fromMs: number;
  /** Infinity while the effect lasts. */
  untilMs: number;
}

/** The strikes of a run. */
export class StrikeLog {
  private readonly byClient = new Map<string, Strike[]>();

  /** Notes that `kind` affects `client` from `fromMs` to `untilMs`. */
  add(kind: FaultKind, client: string, fromMs: number, untilMs: number): Strike {
    const strikes = this.byClient.get(client);
    const strike = { kind, client, fromMs, untilMs };
    if (strikes === undefined) this.byClient.set(client, [strike]);
    else strikes.push(strike);
    return strike;
  }

  /** The kinds that affected `client` at some time between `fromMs` and `untilMs`. */
  met(client: string, fromMs: number, untilMs: number): Set<FaultKind> {
    const kinds = new Set<FaultKind>();
    for (const strike of this.byClient.get(client) ?? []) {
      if (strike.fromMs <= untilMs && strike.untilMs >= fromMs) kinds.add(strike.kind);
    }
    return kinds;
  }

  /** True if nothing affected `client` at any time between `fromMs` and `untilMs`. */
  wasCalm(client: string, fromMs: number, untilMs: number): boolean {
    for (const strike of this.byClient.get(client) ?? []) {
      if (strike.fromMs <= untilMs && strike.untilMs >= fromMs) return false;
    }
    return true;
  }
}
