import { describe, expect, it } from "vitest";
import { Code, type RpcError, type ServerOptions } from "../../src/index.js";
import { seededRandom } from "../../src/testing.js";
import { ADDRESS, failure, useRig } from "../support/rig.js";

const rig = useRig();

async function serve(options: ServerOptions): Promise<number[]> {
  const closedAt: number[] = [];
  const server = await rig.current.serve(
    {
      hold: (_, { signal }) =>
        new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    },
    { random: seededRandom(1), ...options },
  );
  server.on("disconnect", () => closedAt.push(rig.current.clock.now()));
  return closedAt;
}

describe("a connection that has reached its age", () => {
  it("is drained within 10% of that time, and its client goes on with another one", async () => {
    const closedAt = await serve({ maxConnectionAgeMs: 10_000 });
    const client = rig.current.client();
    for (let i = 0; i < 300; i++) {
      await rig.current.now(client.echo({}));
      await rig.current.clock.advance(100);
    }
    expect(closedAt.length).toBeGreaterThanOrEqual(2);
    for (const [i, at] of closedAt.entries()) {
      const age = at - (closedAt[i - 1] ?? 0);
      expect(age).toBeGreaterThanOrEqual(9_000);
      expect(age).toBeLessThanOrEqual(11_200);
    }
  });

  it("ends its calls when the grace is over as well", async () => {
    await serve({ maxConnectionAgeMs: 1_000, connectionAgeGraceMs: 500 });
    const client = rig.current.client();
    const call = failure(client.hold({}));
    await rig.current.clock.advance(1_400);
    const error: RpcError = await rig.current.after(300, call);
    expect(error).toMatchObject({ code: Code.UNAVAILABLE });
    expect(error.message).toContain("the connection has reached its age");
  });
});

describe("a server", () => {
  it("tells that it drains, once, and names its services", async () => {
    const server = rig.current.createServer();
    await server.listen(ADDRESS);
    expect(server.services.map(({ typeName }) => typeName)).toEqual(["support.v1.Echo"]);
    let drains = 0;
    server.on("drain", () => drains++);
    const closing = Promise.all([server.close(), server.close()]);
    expect(drains).toBe(1);
    await rig.current.after(1_000, closing);
  });
});
