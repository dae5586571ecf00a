// How diagnostics look on a terminal and in a file, with positions that tabs, wide lines and hostile texts make hard.

import { describe, expect, it } from "vitest";
import { render, type Screen, screenOf } from "../../src/cli/report.js";
import { Diagnostics, MAX_DIAGNOSTICS, SourceFile } from "../../src/gen/source.js";

const plain: Screen = { isTerminal: false, hasColour: false, columns: 80 };
const terminal: Screen = { isTerminal: true, hasColour: false, columns: 40 };

function withError(text: string, offset: number, message = "wrong"): Diagnostics {
  const diagnostics = new Diagnostics();
  diagnostics.error({ file: new SourceFile("a.proto", text), offset }, message);
  return diagnostics;
}

describe("diagnostics", () => {
  it("are a plain line each where a program reads them", () => {
    expect(render(withError("one\ntwo three\n", 8).sorted(), plain)).toBe("a.proto:2:5: error: wrong\n");
  });

  it("have the line and a caret below the place on a terminal", () => {
    expect(render(withError("one\n\ttwo three\r\n", 9).sorted(), terminal)).toBe(
      "a.proto:2:6: error: wrong\n    2 |  two three\n      |      ^\n",
    );
  });

  it("show the part of a wide line that the caret is in", () => {
    const text = `${"x".repeat(1000)}HERE${"y".repeat(1000)}`;
    const [, line, caret] = render(withError(text, 1000).sorted(), terminal).split("\n");
    expect(line!.length).toBeLessThan(40);
    expect(line!.slice(caret!.indexOf("^"))).toMatch(/^HEREy+$/);
  });

  it("are coloured on a terminal, unless NO_COLOR is set", () => {
    const tty = { isTTY: true, columns: 100 };
    expect(screenOf(tty, {})).toEqual({ isTerminal: true, hasColour: true, columns: 100 });
    expect(screenOf(tty, { NO_COLOR: "1" }).hasColour).toBe(false);
    expect(screenOf(tty, { TERM: "dumb" }).hasColour).toBe(false);
    expect(screenOf({ isTTY: true, columns: 0 }, {}).columns).toBe(80); // a terminal that does not know its width
    expect(screenOf({ isTTY: false, columns: 0 }, {})).toMatchObject({ isTerminal: false, hasColour: false });
    const text = render(withError("one", 0).sorted(), { ...terminal, hasColour: true });
    expect(text).toContain("\u001b[31merror:\u001b[0m wrong");
    expect(text).toContain("\u001b[36m^\u001b[0m");
  });

  it("never pass control characters of a manifest on", () => {
    const diagnostics = withError("a\u001b[2Jb", 0, "found \u001b[2J\nforged.proto:1:1: error: x");
    for (const screen of [plain, terminal]) {
      const text = render(diagnostics.sorted(), screen);
      expect(text).not.toContain("\u001b");
      expect(text.split("\n")[0]).toContain("found \\u001b[2J\\u000aforged");
    }
  });

  it("end with how many are left out, if there are too many to keep", () => {
    const diagnostics = new Diagnostics();
    for (let index = 0; index < MAX_DIAGNOSTICS + 7; index++) diagnostics.error(undefined, `problem ${index}`);
    expect(diagnostics.lines()).toHaveLength(MAX_DIAGNOSTICS + 1);
    expect(diagnostics.lines().at(-1)).toBe("error: 7 more, which are not shown");
  });
});
