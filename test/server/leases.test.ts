import { describe, expect, it } from "vitest";
import { Code, type Mode, RpcError, type Server } from "../../src/index.js";
import { Echo } from "../support/gen/support/v1/echo.js";
import { failure, useRig } from "../support/rig.js";

const rig = useRig();

/** A server with leases that counts the calls it runs. */
async function serve(): Promise<{ server: Server; ran: string[] }> {
  const ran: string[] = [];
  const note =
    (name: string) =>
    ({ id }: { readonly id: bigint }) => {
      ran.push(name);
      return { id };
    };
  const server = await rig.current.serve({ echo: note("echo"), echoSoon: note("echoSoon") }, { leases: true });
  return { server, ran };
}

describe.each<Mode>(["pipelined", "pooled", "short"])("a server with leases and a client that is %s", (mode) => {
  it("is given no call without a lease, and those of a lease when it gives one", async () => {
    const { server, ran } = await serve();
    const client = rig.current.client({ mode, maxConnections: 1 });
    const early = client.echo({ id: 1n }, { timeoutMs: 1_000 });
    await rig.current.clock.advance(500);
    expect(ran).toEqual([]);
    server.peers()[0]!.lease({ count: 1, ttlMs: 1_000 });
    expect((await rig.current.now(early)).id).toBe(1n);
  });
});

describe("a lease", () => {
  it("covers as many calls as it says; the others wait for the next one", async () => {
    const { server, ran } = await serve();
    const client = rig.current.client();
    const calls = Array.from({ length: 10 }, (_, i) => client.echo({ id: BigInt(i) }));
    await rig.current.clock.advance(0);
    const [peer] = server.peers();
    peer!.lease({ count: 4, ttlMs: 60_000 });
    await rig.current.clock.advance(0);
    expect(ran.length).toBe(4);
    peer!.lease({ count: 100, ttlMs: 60_000 });
    expect((await rig.current.now(Promise.all(calls))).map(({ id }) => Number(id))).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
    ]);
    expect((await rig.current.now(client.echo({ id: 10n }))).id).toBe(10n);
    // Those that were sent before the client knew of leases were refused, and sent again.
    expect(server.stats().callsRefused).toBe(10);
  });

  it("holds for its time", async () => {
    const { server, ran } = await serve();
    const client = rig.current.client();
    await rig.current.clock.advance(0);
    server.peers()[0]!.lease({ count: 10, ttlMs: 100 });
    await rig.current.now(client.echo({}));
    await rig.current.clock.advance(100);
    expect(await rig.current.after(50, failure(client.echo({}, { timeoutMs: 50 })))).toMatchObject({
      code: Code.DEADLINE_EXCEEDED,
      retry: "safe",
    });
    expect(ran.length).toBe(1);
  });

  it("of one method lets calls of another one wait, and not the other way round", async () => {
    const { server, ran } = await serve();
    const client = rig.current.client();
    await rig.current.clock.advance(0);
    const [peer] = server.peers();
    const waiting = client.echo({ id: 1n });
    const other = client.echoSoon({ id: 2n });
    await rig.current.clock.advance(0);
    peer!.lease({ count: 5, ttlMs: 1_000 }, Echo.methods.echoSoon);
    expect((await rig.current.now(other)).id).toBe(2n);
    expect(ran).toEqual(["echoSoon"]);
    peer!.lease({ count: 1, ttlMs: 1_000 }, Echo.methods.echo);
    expect((await rig.current.now(waiting)).id).toBe(1n);
  });

  it("may come before the client has named the method", async () => {
    const { server } = await serve();
    const client = rig.current.client();
    await rig.current.clock.advance(0);
    server.peers()[0]!.lease({ count: 1, ttlMs: 1_000 }, Echo.methods.echo);
    expect((await rig.current.now(client.echo({ id: 3n }))).id).toBe(3n);
  });

  it("is refused by a server that has not announced leases", async () => {
    const server = await rig.current.serve();
    rig.current.client();
    await rig.current.clock.advance(0);
    const give = (): void => server.peers()[0]!.lease({ count: 1, ttlMs: 1_000 });
    expect(give).toThrow(RpcError);
    expect(give).toThrow("option `leases`");
  });
});
