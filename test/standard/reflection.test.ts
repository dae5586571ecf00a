// gRPC's server reflection: what is listed, what is described, and what is answered about things that are not there.

import { readFileSync } from "node:fs";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { FileDescriptorProto } from "../../src/gen/descriptor/descriptor.js";
import { DEFAULT_EMIT_OPTIONS } from "../../src/gen/generate.js";
import { MemoryReader } from "../../src/gen/load.js";
import { type CallContext, Code, DecodeError, type Service } from "../../src/index.js";
import { ServerReflection as ServerReflectionAlpha } from "../../src/standard/gen/grpc/reflection/v1alpha/reflection.js";
import { Health, serveHealth } from "../../src/standard/health.js";
import {
  type Descriptors,
  ServerReflection,
  ServerReflectionRequest,
  type ServerReflectionRequestInit,
  ServerReflectionResponse,
  serveReflection,
} from "../../src/standard/reflection.js";
import { generateInto, importFile } from "../gen/support.js";
import { Host } from "./host.js";

const MANIFESTS = {
  "shop/order.proto": `syntax = "proto2"; package shop; import "shop/item.proto"; import "google/protobuf/empty.proto";
    message Order {
      extensions 100 to 200;
      oneof payment { string card = 1; }
      enum State { OPEN = 0; }
      message Line { optional shop.Item item = 1; extend Order { optional Line first = 150; } }
    }
    extend Order { optional string note = 100; }
    service Orders { rpc Place(Order) returns (google.protobuf.Empty); }`,
  "shop/item.proto": 'syntax = "proto3"; package shop; import "shop/unit.proto"; message Item { Unit unit = 1; }',
  "shop/unit.proto": 'syntax = "proto3"; package shop; enum Unit { PIECE = 0; }',
  "bare.proto": 'syntax = "proto3"; message Bare {} service Naked {}',
};

let descriptors: Descriptors;
let Orders: Service;
let host: Host;

beforeAll(async () => {
  const options = { ...DEFAULT_EMIT_OPTIONS, descriptors: true };
  const names = ["shop/order.proto", "bare.proto"];
  const root = generateInto("reflection", names, new MemoryReader(MANIFESTS), options);
  ({ descriptors } = (await importFile(`${root}/descriptors.ts`)) as { descriptors: Descriptors });
  ({ Orders } = (await importFile(`${root}/shop/order.ts`)) as { Orders: Service });
});

beforeEach(() => {
  host = new Host();
  host.handle(Orders as Service<object>, {});
  serveReflection(host.server, descriptors);
});

type Asked = NonNullable<ServerReflectionRequestInit["messageRequest"]>;

/** What one call answers to these requests, in the form that travels. */
async function ask(...asked: Asked[]): Promise<ServerReflectionResponse[]> {
  async function* requests(): AsyncGenerator<ServerReflectionRequest> {
    for (const messageRequest of asked) yield ServerReflectionRequest.create({ host: "h", messageRequest });
  }
  const responses: ServerReflectionResponse[] = [];
  const handlers = host.handlers(ServerReflection);
  for await (const response of handlers.serverReflectionInfo(requests(), {} as CallContext))
    responses.push(ServerReflectionResponse.create(response));
  return responses;
}

/** The names of the files that a response has, or its error. */
function filesIn({ messageResponse: { case: kind, value } }: ServerReflectionResponse): unknown {
  if (kind === "errorResponse") return [value.errorCode, value.errorMessage];
  if (kind !== "fileDescriptorResponse") return kind;
  return value.fileDescriptorProto.map((bytes) => FileDescriptorProto.fromBytes(bytes).name);
}

const filesFor = async (...asked: Asked[]): Promise<unknown[]> => (await ask(...asked)).map(filesIn);

const byName = (value: string): Asked => ({ case: "fileByFilename", value });
const bySymbol = (value: string): Asked => ({ case: "fileContainingSymbol", value });
const byExtension = (containingType: string, extensionNumber: number): Asked => ({
  case: "fileContainingExtension",
  value: { containingType, extensionNumber },
});

const ORDER_AND_IMPORTS = ["shop/order.proto", "shop/item.proto", "google/protobuf/empty.proto", "shop/unit.proto"];

describe("the services", () => {
  it("are those that the server serves, also ones that were added later, in order", async () => {
    serveHealth(host.server);
    const [response] = await ask({ case: "listServices", value: "" });
    expect(response).toMatchObject({ validHost: "h", originalRequest: { messageRequest: { case: "listServices" } } });
    const names = [Health, ServerReflection, ServerReflectionAlpha, Orders].map(({ typeName }) => ({ name: typeName }));
    expect(response?.messageResponse).toEqual({ case: "listServicesResponse", value: { service: names } });
  });

  it("of reflection and health need no descriptors from the user", async () => {
    for (const { typeName } of [Health, ServerReflection, ServerReflectionAlpha]) {
      const file = `${typeName.split(".").slice(0, 3).join("/")}/${typeName.split(".")[1]}.proto`;
      expect(await filesFor(bySymbol(typeName))).toEqual([[file]]);
    }
  });
});

describe("a file", () => {
  it("comes with all that it imports, the file itself first", async () => {
    expect(await filesFor(byName("shop/order.proto"))).toEqual([ORDER_AND_IMPORTS]);
    expect(await filesFor(byName("bare.proto"))).toEqual([["bare.proto"]]);
  });

  it.each([
    "shop.Orders",
    "shop.Orders.Place",
    "shop.Order",
    "shop.Order.card",
    "shop.Order.payment",
    "shop.Order.State",
    "shop.Order.OPEN",
    "shop.Order.Line",
    "shop.Order.Line.item",
    "shop.Order.Line.first",
    "shop.note",
  ])("is found by the symbol %s", async (symbol) => {
    expect(await filesFor(bySymbol(symbol))).toEqual([ORDER_AND_IMPORTS]);
  });

  it("is found by symbols of other files, and of files without a package", async () => {
    expect(await filesFor(bySymbol("shop.PIECE"))).toEqual([["shop/unit.proto"]]);
    expect(await filesFor(bySymbol("Naked"))).toEqual([["bare.proto"]]);
  });

  it("is found by an extension, declared at the top or within a message", async () => {
    expect(await filesFor(byExtension("shop.Order", 100))).toEqual([ORDER_AND_IMPORTS]);
    expect(await filesFor(byExtension("shop.Order", 150))).toEqual([ORDER_AND_IMPORTS]);
    const [response] = await ask({ case: "allExtensionNumbersOfType", value: "shop.Order" });
    const value = { baseTypeName: "shop.Order", extensionNumber: [100, 150] };
    expect(response?.messageResponse).toEqual({ case: "allExtensionNumbersResponse", value });
    const [none] = await ask({ case: "allExtensionNumbersOfType", value: "shop.Item" });
    expect(none?.messageResponse.value).toEqual({ baseTypeName: "shop.Item", extensionNumber: [] });
  });

  it("is not sent twice on a stream, unless it is the one that is asked for", async () => {
    expect(
      await filesFor(bySymbol("shop.Item"), bySymbol("shop.Orders"), bySymbol("shop.Unit"), bySymbol("shop.Unit")),
    ).toEqual([
      ["shop/item.proto", "shop/unit.proto"],
      ["shop/order.proto", "google/protobuf/empty.proto"],
      ["shop/unit.proto"],
      ["shop/unit.proto"],
    ]);
  });

  it("of a size that would not fit brings only the imports that do", async () => {
    const large = (name: string, ...dependency: string[]): string => {
      const value = Array.from({ length: 10_000 }, (_, number) => ({ name: `${name}_VALUE_${number}`, number }));
      const file = { name, dependency, syntax: "proto3", enumType: [{ name, value }] };
      return Buffer.from(FileDescriptorProto.toBytes(file)).toString("base64");
    };
    host = new Host();
    serveReflection(host.server, [large("a", "b", "c"), large("b"), large("c")]);
    expect(await filesFor(byName("a"), byName("c"), byName("b"), byName("a"))).toEqual([["a"], ["c"], ["b"], ["a"]]);
  });

  it("may come from what protoc writes", async () => {
    host = new Host();
    serveReflection(host.server, readFileSync(new URL("../gen/link/torture.binpb", import.meta.url)));
    const [file] = (await ask(byName("proto3.proto"))).map(({ messageResponse }) => messageResponse);
    expect(file?.case).toBe("fileDescriptorResponse");
  });
});

it("what is not there is an error in the response, and the stream goes on", async () => {
  const unknown: Asked = { case: undefined };
  const missing = (what: string): unknown => [
    Code.NOT_FOUND,
    `${what} is not in the descriptors that serveReflection was given`,
  ];
  const extensions: Asked = { case: "allExtensionNumbersOfType", value: "shop.Gone" };
  expect(
    await filesFor(
      byName("shop/gone.proto"),
      bySymbol("shop.Gone"),
      bySymbol("__proto__"),
      byExtension("shop.Order", 7),
      byExtension("shop.Gone", 7),
      extensions,
      unknown,
      byName("bare.proto"),
    ),
  ).toEqual([
    missing('file "shop/gone.proto"'),
    missing('symbol "shop.Gone"'),
    missing('symbol "__proto__"'),
    missing('extension 7 of "shop.Order"'),
    missing('extension 7 of "shop.Gone"'),
    missing('symbol "shop.Gone"'),
    [Code.UNIMPLEMENTED, "this server does not know what is asked"],
    ["bare.proto"],
  ]);
});

it("bytes that are no descriptors are refused where they are given", () => {
  expect(() => serveReflection(new Host().server, Uint8Array.of(0x0a, 0x7f))).toThrow(DecodeError);
  expect(() => serveReflection(new Host().server, ["/////w=="])).toThrow(DecodeError);
});

it("v1alpha has the same answers", async () => {
  expect(host.handlers(ServerReflectionAlpha)).toBe(host.handlers(ServerReflection));
});
