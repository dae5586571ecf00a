// The admin service's view of several workers, where these do not agree or do not answer. The workers are stand-ins; that real
// ones do as they are asked is in `cluster.test.ts`.

import { expect, it } from "vitest";
import { ClusterView } from "../../src/cluster/cluster-view.js";
import type { Member, WorkerState } from "../../src/cluster/member.js";
import type { Change, Question } from "../../src/cluster/messages.js";
import { Code, RpcError } from "../../src/index.js";
import type { SetPolicyRequest, StatsInit } from "../../src/ops/admin.js";
import { failure } from "../support/rig.js";

type Answer = (question: Question, request: SetPolicyRequest) => unknown;

/** What a stand-in was asked and told. */
interface StandIn {
  readonly asked: SetPolicyRequest[];
  readonly told: Change[];
  state: WorkerState;
  stats: StatsInit | undefined;
  readonly ask: (question: Question, request: SetPolicyRequest) => Promise<unknown>;
  readonly tellChanges: (changes: readonly Change[]) => void;
}

function standIn(answer: Answer, state: WorkerState = "ready"): StandIn {
  const asked: SetPolicyRequest[] = [];
  const told: Change[] = [];
  return {
    ...{ asked, told, state, stats: undefined },
    async ask(question, request) {
      asked.push(request);
      return answer(question, request);
    },
    tellChanges: (changes) => void told.push(...changes),
  };
}

const viewOf = (...members: StandIn[]): ClusterView => new ClusterView(() => members as unknown as Member[]);
const policyOf = (concurrency: number): { case: "server"; value: { concurrency: number } } => ({
  case: "server",
  value: { concurrency },
});
const REQUEST = { method: "a.A/B", channel: "", policy: policyOf(2) } as unknown as SetPolicyRequest;
const WANTED = { request: { method: "a.A/B", channel: "", policy: policyOf(2) }, by: "ada" };
const accepts: Answer = () => ({ before: { policy: policyOf(1) }, after: { policy: policyOf(2) } });
const fails = (code: Code): Answer => {
  return () => {
    throw new RpcError(code, `it fails: ${code}`);
  };
};

it("gives a worker that accepts what another refuses the policy that it had", async () => {
  const [willing, unwilling] = [standIn(accepts), standIn(fails(Code.INVALID_ARGUMENT))];
  const view = viewOf(willing, unwilling);
  expect(await failure(view.setPolicy(REQUEST, "ada"))).toMatchObject({ code: Code.INVALID_ARGUMENT });
  expect(willing.asked).toEqual([REQUEST, { method: "a.A/B", channel: "", policy: policyOf(1) }]);
  expect(unwilling.asked).toHaveLength(1);
  expect(view.changes()).toEqual([]);
});

it.each([Code.DEADLINE_EXCEEDED, Code.UNAVAILABLE])("changes a policy though a worker fails with %i", async (code) => {
  const [willing, absent, young] = [standIn(accepts), standIn(fails(code)), standIn(accepts, "starting")];
  const view = viewOf(willing, absent, young);
  expect(await view.setPolicy(REQUEST, "ada")).toEqual(accepts("setPolicy", REQUEST));
  expect(view.changes()).toEqual([WANTED]);
  // One that is late makes the change when it comes to what it was asked; one that starts is told.
  expect([willing, absent, young].map(({ told }) => told)).toEqual([[], [], [WANTED]]);
});

it("makes one change after the other", async () => {
  const member = standIn(accepts);
  const view = viewOf(member);
  await Promise.all([view.setPolicy(REQUEST, "ada"), view.setPolicy({ ...REQUEST, method: "a.A/C" }, "bob")]);
  expect(member.asked.map(({ method }) => method)).toEqual(["a.A/B", "a.A/C"]);
});

it("says so when no worker is ready", async () => {
  const view = viewOf(standIn(accepts, "starting"));
  expect(await failure(view.setPolicy(REQUEST, "ada"))).toMatchObject({ code: Code.UNAVAILABLE });
  expect(await view.getStats(5)).toEqual({ nowMs: 5, server: {}, methods: [] });
});

it("counts a worker that does not answer as it was read last, and one that has ended without its gauges", async () => {
  const [steady, leaving] = [2, 3].map((callsServed) =>
    standIn(() => ({ server: { callsServed, connections: 1 }, methods: [] })),
  ) as [StandIn, StandIn];
  const members = [steady, leaving];
  const view = new ClusterView(() => members as unknown as Member[]);
  expect(await view.getStats(1)).toMatchObject({ server: { callsServed: 5, connections: 2 } });
  Object.assign(leaving, { ask: async () => fails(Code.DEADLINE_EXCEEDED)("getStats", REQUEST) });
  expect(await view.getStats(2)).toMatchObject({ server: { callsServed: 5, connections: 2 } });
  members.pop();
  view.keep(leaving as unknown as Member);
  expect(await view.getStats(3)).toMatchObject({ server: { callsServed: 5, connections: 1 } });
});

it("has the newest refusals of all workers, as many as one keeps", async () => {
  const refusals = (first: number): Answer => {
    return () => ({ refusals: Array.from({ length: 64 }, (_, i) => ({ agoMs: first + 2 * i })) });
  };
  const { refusals: listed = [] } = await viewOf(standIn(refusals(0)), standIn(refusals(1))).listRefusals();
  expect(listed.map(({ agoMs }) => agoMs)).toEqual(Array.from({ length: 64 }, (_, i) => i));
});
