// The benchmark's command line: its defaults, its lists, and what it refuses.

import { describe, expect, it } from "vitest";
import { UsageError } from "../../bench/lib/arguments.js";
import { parseOptions } from "../../bench/macro/options.js";

describe("parseOptions", () => {
  it("measures everything at three numbers of outstanding calls when nothing is said", () => {
    expect(parseOptions([])).toMatchObject({
      json: undefined,
      seconds: 1,
      payloadBytes: [100],
      outstanding: [1, 64, 1024],
      modes: ["short", "pooled", "pipelined"],
      variants: ["default"],
      peers: ["floor", "grpc-js"],
      rates: [],
      rounds: 3,
    });
  });

  it("reads lists, and none as the empty one", () => {
    const options = parseOptions(["--payload", "100,1024", "--outstanding=64", "--modes", "none", "--peers", "floor"]);
    expect(options).toMatchObject({ payloadBytes: [100, 1024], outstanding: [64], modes: [], peers: ["floor"] });
  });

  it.each([
    ["an unknown option", ["--fast"], "--fast"],
    ["an unknown mode", ["--modes", "short,long"], '"long"'],
    ["an unknown peer", ["--peers", "sluice"], '"sluice"'],
    ["an unknown variant", ["--variants", "full"], '"full"'],
    ["shares of a rate that is not measured", ["--rates", "0.5", "--peers", "grpc-js"], "needs the floor"],
    ["no calls at all", ["--outstanding", "0"], "from 1"],
    ["half a round", ["--rounds", "1.5"], "whole numbers"],
    ["a word for a number", ["--seconds", "soon"], '"soon"'],
    ["an empty part of a list", ["--payload", "100,"], '""'],
  ])("refuses %s, and says which", (_, args, reason) => {
    expect(() => parseOptions(args)).toThrow(UsageError);
    expect(() => parseOptions(args)).toThrow(reason);
  });
});
