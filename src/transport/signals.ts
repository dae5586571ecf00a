// AbortSignals that many calls share get one listener each, however many calls there are: a listener per call warns at
// the eleventh and takes linear time to remove.

/** What an aborted signal ends. */
export interface Abortable {
  /** Called once, with the signal's reason. */
  abort(reason: unknown): void;
}

interface Fan {
  readonly targets: Set<Abortable>;
  readonly listener: () => void;
}

const fans = new WeakMap<AbortSignal, Fan>();

/** Calls `target.abort` when `signal` is aborted, unless {@link removeAbort} comes first. The signal must not be aborted yet. */
export function onAbort(signal: AbortSignal, target: Abortable): void {
  let fan = fans.get(signal);
  if (fan === undefined) {
    fan = makeFan(signal);
    fans.set(signal, fan);
  }
  fan.targets.add(target);
}

/** Forgets `target`; the last one takes the listener away. */
export function removeAbort(signal: AbortSignal, target: Abortable): void {
  const fan = fans.get(signal);
  if (fan === undefined) return;
  fan.targets.delete(target);
  if (fan.targets.size > 0) return;
  signal.removeEventListener("abort", fan.listener);
  fans.delete(signal);
}

function makeFan(signal: AbortSignal): Fan {
  const targets = new Set<Abortable>();
  const listener = (): void => {
    fans.delete(signal);
    for (const target of targets) target.abort(signal.reason);
  };
  signal.addEventListener("abort", listener, { once: true });
  return { targets, listener };
}

/** What calls can belong to: it ends those that it has adopted and not released. */
export interface CallParent {
  /** `child` is aborted when the parent ends. */
  adopt(child: Abortable): void;
  /** `child` has ended. */
  release(child: Abortable): void;
}
