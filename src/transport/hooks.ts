// What the spine tells the outside of itself: counters, and calls at the moments that logs and metrics care about. The
// hooks are objects made once; a hook that nobody sets does nothing.

/** Counts since the start; one object for each channel or server. */
export class Counters {
  /** Connections whose handshake was completed. */
  connectionsOpened = 0;
  connectionsClosed = 0;
  /** Connection attempts that failed, at the socket or in the handshake. */
  dialsFailed = 0;
  /** Calls that this side began and gave to a connection. */
  callsSent = 0;
  /** Calls that the peer began and a handler was started for. */
  callsServed = 0;
  /** Calls that the peer began and this side refused without running them. */
  callsRefused = 0;
  /** Responses that came after the call had ended here. */
  lateResponses = 0;
  /** Responses that name no call. */
  unknownResponses = 0;
  /** Calls that found no connection and waited for one. */
  callsParked = 0;
  /** Calls of a batch handler, and the calls of the peer that these were made for. */
  batches = 0;
  batchedCalls = 0;
}

/** Called at the moments of a connection's life that logs and metrics care about. */
export interface SessionHooks {
  readonly counters: Counters;
  /** A handler has thrown something that is no `RpcError`, or returned what cannot be encoded. */
  handlerFailed(path: string, error: unknown): void;
  /** A call was refused before it ran. */
  callRefused(remote: string, path: string, reason: string): void;
}
