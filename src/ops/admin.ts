// `sluice/admin`: what a process does with calls under pressure, shown and changed from outside (`proto/sluice/admin.proto`).
// Nothing here runs unless `serveAdmin` is called.

import type { Channel } from "../client/channel.js";
import type { Server } from "../server/server.js";
import { type AdminAccess, serveView } from "./admin-desk.js";
import { ProcessView } from "./admin-view.js";

export type { AdminAccess } from "./admin-desk.js";
export * from "./gen/sluice/admin.js";
export {
  ClientPolicy_Overflow,
  ClientPolicy_Store,
  Failure,
  RetryPolicy_Code,
  ServerPolicy_Limiter,
  ServerPolicy_Overflow,
} from "./gen/sluice/options.js";

/** Options of {@link serveAdmin}. */
export interface AdminOptions extends AdminAccess {
  /**
   * The server that is shown and changed. Default: the one that serves. With a server of its own the admin service answers
   * even when all workers of the other one are taken.
   */
  readonly server?: Server;
  /** Channels whose policies are shown and changed, too, by the names that operators will use. */
  readonly channels?: Readonly<Record<string, Channel>>;
}

/**
 * Serves `sluice.admin.v1.Admin`: policies, counters and refusals of `server`, and policies of channels.
 *
 *     serveAdmin(server, { channels: { saver: channel } });
 *
 * `sluice policy` and `sluice stats` are its clients. Throws `RpcError` INVALID_ARGUMENT if it is served already.
 */
export function serveAdmin(server: Server, options: AdminOptions = {}): void {
  serveView(server, new ProcessView(options.server ?? server, options.channels), options);
}
