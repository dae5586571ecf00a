// What a server logs, through pino: each event is one JSON line of at most about 1 KiB, whatever a peer puts into it, and
// refusals are rate-limited, so that an attack cannot fill a disk.

import type { Logger } from "pino";
import type { ServerPolicy } from "../codec/policy.js";
import type { RpcError } from "../codec/status.js";
import { cut, LineLimit } from "../flow/log-lines.js";
import type { Clock } from "../transport/clock.js";
import type { Session } from "../transport/session.js";

/** Writes a server's log; does nothing without a logger. */
export class ServerLog {
  private readonly logger: Logger | undefined;
  private readonly refusals: LineLimit;
  private readonly failures: LineLimit;

  constructor(logger: Logger | undefined, clock: Clock) {
    this.logger = logger;
    this.refusals = new LineLimit(clock);
    this.failures = new LineLimit(clock);
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

  policyChanged(path: string, policy: ServerPolicy, by: string | undefined): void {
    this.logger?.info({ path: cut(path), policy, by: by === undefined ? undefined : cut(by) }, "policy changed");
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
