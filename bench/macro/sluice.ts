// Sluice, as its users run it: generated code, the package's defaults, an `async` handler, one channel in the mode
// under measurement. It is imported by its package name, so that what is measured is what is published.
//
// The loaded variant sends two keys and a deadline with each call, in options made for that call, as a request id would
// be; its client's interceptor counts calls, its server's reads one of the keys. The bare one has no deadline and forwards
// no metadata; limits and counters cannot be left out.

import {
  type CallOptions,
  type ClientInterceptor,
  type ConnectOptions,
  connect as connectChannel,
  createServer,
  type ServerInterceptor,
} from "sluice";
import { Echo, EchoClient } from "../gen/bench/v1/echo.js";
import type { EchoCaller, EchoServer, Mode, Peer, Variant } from "./peer.js";

const LOADED_TIMEOUT_MS = 5000;

let intercepted = 0;

const countCalls: ClientInterceptor = {
  unary: (next) => (method, request, options) => {
    intercepted++;
    return next(method, request, options);
  },
};

const readTenant: ServerInterceptor = {
  unary: (next) => (request, context) => {
    if (context.metadata.get("tenant") !== undefined) intercepted++;
    return next(request, context);
  },
};

const CONNECT_OPTIONS: { readonly [variant in Variant]: ConnectOptions } = {
  default: {},
  bare: { timeoutMs: Number.POSITIVE_INFINITY, forwardMetadata: [] },
  loaded: { interceptors: [countCalls] },
};

function loadedOptions(): CallOptions {
  return { timeoutMs: LOADED_TIMEOUT_MS, metadata: { tenant: "acme", "request-id": "5f0c1d2e3a4b" } };
}

async function serve(variant: Variant = "default"): Promise<EchoServer> {
  const server = createServer(variant === "loaded" ? { interceptors: [readTenant] } : {});
  server.handle(Echo, {
    async echo(message) {
      return message;
    },
  });
  const address = await server.listen("tcp://127.0.0.1:0");
  return { address, close: () => server.close({ graceMs: 1000 }) };
}

async function connect(address: string, mode: Mode, variant: Variant = "default"): Promise<EchoCaller> {
  const channel = connectChannel(address, { ...CONNECT_OPTIONS[variant], mode });
  const client = new EchoClient(channel);
  const close = (): Promise<void> => channel.close();
  if (variant === "loaded") return { echo: (message) => client.echo(message, loadedOptions()), close };
  return { echo: (message) => client.echo(message), close };
}

/** How many calls the interceptors of the loaded variant have seen in this process. */
export function callsIntercepted(): number {
  return intercepted;
}

/** Sluice, as the benchmark runs it. */
export const sluice: Peer = { serve, connect };
