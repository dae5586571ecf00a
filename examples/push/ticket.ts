// What both sides know about tickets, so that a client can tell whether a reply belongs to its request.

/** The ticket of a binding: FNV-1a over the room's name, begun with the user's number. */
export function ticketFor(userId: bigint, room: string): number {
  let hash = Number(BigInt.asUintN(32, userId)) ^ 0x811c9dc5;
  for (let at = 0; at < room.length; at++) hash = Math.imul(hash ^ room.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}
