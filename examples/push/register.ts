// The handlers of push.v1.Register, with the bindings in memory. The generated interface says what to write; a handler
// takes the decoded request and returns what the reply is made of.

import { Code, RpcError } from "sluice";
import type {
  BindReplyInit,
  BindRequest,
  LookupReplyInit,
  LookupRequest,
  RegisterHandlers,
  ReportReplyInit,
  ReportRequest,
  UnbindReplyInit,
  UnbindRequest,
} from "./gen/push/v1/register.js";
import { ticketFor } from "./ticket.js";

/** A register that forgets everything when its process ends. */
export class MemoryRegister implements RegisterHandlers {
  private readonly rooms = new Map<bigint, string>();

  async bind({ userId, room }: BindRequest): Promise<BindReplyInit> {
    // An RpcError reaches the caller as it is. Any other error reaches it as UNKNOWN, without its text.
    if (room === "") throw new RpcError(Code.INVALID_ARGUMENT, "a room needs a name");
    const previousRoom = this.rooms.get(userId);
    this.rooms.set(userId, room);
    return { ticket: ticketFor(userId, room), previousRoom };
  }

  async unbind({ userId, ticket }: UnbindRequest): Promise<UnbindReplyInit> {
    const room = this.rooms.get(userId);
    if (room === undefined || ticketFor(userId, room) !== ticket) return {};
    this.rooms.delete(userId);
    return { room };
  }

  async lookup({ userId }: LookupRequest): Promise<LookupReplyInit> {
    const room = this.rooms.get(userId);
    if (room === undefined) throw new RpcError(Code.NOT_FOUND, `user ${userId} is in no room`);
    return { room, ticket: ticketFor(userId, room) };
  }

  async report({ rooms }: ReportRequest): Promise<ReportReplyInit> {
    let connections = 0;
    let delivered = 0n;
    for (const room of rooms) {
      connections += room.connections;
      delivered += room.delivered;
    }
    return { connections: BigInt(connections), delivered };
  }
}
