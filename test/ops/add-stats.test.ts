// Counters of several processes, added up.

import { expect, it } from "vitest";
import { addStats, withoutGauges } from "../../src/ops/add-stats.js";
import type { StatsInit } from "../../src/ops/admin.js";

const ONE: StatsInit = {
  nowMs: 1,
  server: { connections: 2, running: 1, callsServed: 10 },
  methods: [
    {
      ...{ method: "a.A/B", channel: "" },
      stats: {
        ...{ started: 5, waitedMs: 1.5, running: 1, waiting: 2, limit: 8 },
        rejected: { queue: 1 },
        errors: [{ code: "UNKNOWN", count: 1 }],
        batches: { batches: 2, calls: 3, bySize: [1, 1] },
      },
    },
    { method: "a.A/B", channel: "saver", stats: { started: 1, limit: 3 } },
  ],
};
const OTHER: StatsInit = {
  nowMs: 9,
  server: { connections: 3, running: 0, callsServed: 1, callsRefused: 4 },
  methods: [
    {
      ...{ method: "a.A/B", channel: "" },
      stats: {
        ...{ started: 2, waitedMs: 1, running: 3, waiting: 0, limit: 8 },
        rejected: { queue: 2, rate: 1 },
        errors: [
          { code: "ABORTED", count: 2 },
          { code: "UNKNOWN", count: 3 },
        ],
        batches: { batches: 1, calls: 4, bySize: [0, 0, 1] },
      },
    },
    { method: "a.A/B", channel: "saver", stats: { started: 1, limit: undefined } },
    { method: "a.A/C", channel: "", stats: { started: 7 } },
  ],
};

it("adds counts, gauges, limits, errors and batches, for each method of a server or channel", () => {
  expect(addStats([ONE, OTHER], 20)).toEqual({
    nowMs: 20,
    server: { connections: 5, running: 1, callsServed: 11, callsRefused: 4 },
    methods: [
      {
        ...{ method: "a.A/B", channel: "" },
        stats: {
          ...{ started: 7, waitedMs: 2.5, running: 4, waiting: 2, limit: 16 },
          rejected: { queue: 3, rate: 1 },
          errors: [
            { code: "UNKNOWN", count: 4 },
            { code: "ABORTED", count: 2 },
          ],
          batches: { batches: 3, calls: 7, bySize: [1, 1, 1] },
        },
      },
      expect.objectContaining({ channel: "saver", stats: expect.objectContaining({ started: 2, limit: undefined }) }),
      { method: "a.A/C", channel: "", stats: { started: 7 } },
    ],
  });
});

it("keeps the counts of a process that has ended, and not its gauges", () => {
  const { server, methods = [] } = addStats([withoutGauges(ONE), OTHER], 20);
  expect(server).toMatchObject({ connections: 3, running: 0, callsServed: 11 });
  expect(methods[0]?.stats).toMatchObject({ started: 7, running: 3, waiting: 0, limit: 8 });
});

it("changes none of the readings", () => {
  const before = structuredClone([ONE, OTHER]);
  addStats([ONE, OTHER], 20);
  expect([ONE, OTHER]).toEqual(before);
});
