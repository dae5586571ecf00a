// The server process: saves entries one by one or together. It refuses every hundredth, so that it shows who is told.

import { Code, createServer, RpcError } from "sluice";
import { type Entry, type SavedInit, Store } from "../gen/bench/v1/store.js";
import { serveParent } from "../lib/pair.js";
import type { StoreReport } from "./messages.js";
import { isRefused, refusalOf } from "./messages.js";
import { SlowStore } from "./store.js";

const store = new SlowStore();

function replyTo({ id }: Entry): SavedInit | RpcError {
  return isRefused(id) ? new RpcError(Code.ALREADY_EXISTS, refusalOf(id)) : { id };
}

const server = createServer().handle(Store, {
  async save(entry) {
    await store.save(1);
    const reply = replyTo(entry);
    if (reply instanceof RpcError) throw reply;
    return reply;
  },
  async saveTogether(entries) {
    await store.save(entries.length);
    return entries.map(replyTo);
  },
});

const address = await server.listen("tcp://127.0.0.1:0");
serveParent(address, (): StoreReport => ({ trips: store.trips, entries: store.entries }));
