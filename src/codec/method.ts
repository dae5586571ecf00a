// What generated code says about services and methods: names, message types and policy. Descriptors are immutable and
// shared by every connection; each method carries an ordinal so that per-connection tables are arrays, not maps.

import type { MessageType } from "./message.js";
import type { ClientPolicy, ServerPolicy } from "./policy.js";

/** Which sides of a call may carry more than one message. */
export type MethodKind = "unary" | "client-streaming" | "server-streaming" | "bidi-streaming";
/** True where the caller may send any number of messages. */
export function streamsRequests(kind: MethodKind): boolean {
  return kind === "client-streaming" || kind === "bidi-streaming";
}

/** True where the callee may answer with any number of messages. */
export function streamsResponses(kind: MethodKind): boolean {
  return kind === "server-streaming" || kind === "bidi-streaming";
}

/** How urgent a method's calls are beside others of the same connection and server. */
export type Priority = "low" | "normal" | "high";
/** protobuf's `idempotency_level`: only `no-side-effects` and `idempotent` calls may ever run twice. */
export type Idempotency = "unknown" | "no-side-effects" | "idempotent";

/** What generated code passes to {@link method}; everything but names and types has a default. */
export interface MethodSpec<I, IInit, O, OInit, Options extends object = object> {
  /** The method's name in the manifest: `Bind`. */
  readonly name: string;
  /** Its name in TypeScript: `bind`. */
  readonly localName: string;
  /** Default `"unary"`. */
  readonly kind?: MethodKind;
  readonly input: MessageType<I, IInit>;
  readonly output: MessageType<O, OInit>;
  /** `option (sluice.method).deadline`, in milliseconds; the channel's default applies without it. */
  readonly deadlineMs?: number;
  /** `option (sluice.method).one_way`: no response frame. Default false. */
  readonly oneWay?: boolean;
  /** `option (sluice.method).priority`. Default `"normal"`. */
  readonly priority?: Priority;
  /** `option idempotency_level`. Default `"unknown"`. */
  readonly idempotency?: Idempotency;
  /** `option (sluice.method).client`. Default: nothing special. */
  readonly client?: ClientPolicy;
  /** `option (sluice.method).server`. Default: nothing special. */
  readonly server?: ServerPolicy;
  /** `option deprecated`. Default false. */
  readonly deprecated?: boolean;
  /** The custom options that the manifest gives the method, by the full names of their extensions. Default none. */
  readonly options?: Options;
}

const NO_OPTIONS: object = Object.freeze({});
/** The policy, on either side, of a method whose manifest says nothing: always this object. */
export const NO_POLICY: ClientPolicy & ServerPolicy = Object.freeze({});

let methodCount = 0;

/** One rpc of a manifest. `I`/`O` are what decoding returns, `IInit`/`OInit` what encoding accepts. */
export class Method<I = unknown, IInit = I, O = unknown, OInit = O, Options extends object = object> {
  /** The service's full name: `push.v1.Register`. */
  readonly service: string;
  /** The method's name in the manifest: `Bind`. */
  readonly name: string;
  /** Its name in TypeScript: `bind`. */
  readonly localName: string;
  /** What travels on the wire, once per connection: `push.v1.Register/Bind`. */
  readonly path: string;
  /** Unique in this process; an index into per-connection tables. */
  readonly ordinal: number;
  readonly kind: MethodKind;
  readonly input: MessageType<I, IInit>;
  readonly output: MessageType<O, OInit>;
  /** Milliseconds, or undefined where the manifest says nothing. */
  readonly deadlineMs: number | undefined;
  readonly oneWay: boolean;
  readonly priority: Priority;
  readonly idempotency: Idempotency;
  /** What the manifest says about its calls on the client's side; a running channel may have another policy. */
  readonly client: ClientPolicy;
  /** The same for the server's side. */
  readonly server: ServerPolicy;
  /** True if the manifest marks it deprecated. */
  readonly deprecated: boolean;
  /** The custom options that the manifest gives it, by the full names of their extensions: `options["acme.audit"]`. */
  readonly options: Options;

  constructor(service: string, spec: MethodSpec<I, IInit, O, OInit, Options>) {
    this.service = service;
    this.name = spec.name;
    this.localName = spec.localName;
    this.path = `${service}/${spec.name}`;
    this.ordinal = methodCount++;
    this.kind = spec.kind ?? "unary";
    this.input = spec.input;
    this.output = spec.output;
    this.deadlineMs = spec.deadlineMs;
    this.oneWay = spec.oneWay ?? false;
    this.priority = spec.priority ?? "normal";
    this.idempotency = spec.idempotency ?? "unknown";
    this.client = spec.client ?? NO_POLICY;
    this.server = spec.server ?? NO_POLICY;
    this.deprecated = spec.deprecated ?? false;
    this.options = spec.options ?? (NO_OPTIONS as Options);
  }
}

/** A method whose message types do not matter to the reader: every `Method` is one. */
export type AnyMethod = Method<unknown, never, unknown, never>;

/** A service of a manifest. `Handlers` is the generated interface that an implementation satisfies. */
export class Service<
  Handlers = unknown,
  Methods extends Record<string, AnyMethod> = Record<string, AnyMethod>,
  Options extends object = object,
> {
  /** The full name: `push.v1.Register`. */
  readonly typeName: string;
  /** The methods by their TypeScript names. */
  readonly methods: Methods;
  /** The custom options that the manifest gives the service, by the full names of their extensions. */
  readonly options: Options;
  /** Only for the type checker: what {@link Service} is generic in. */
  declare readonly handlers?: Handlers;

  constructor(typeName: string, methods: Methods, options: Options = NO_OPTIONS as Options) {
    this.typeName = typeName;
    this.methods = methods;
    this.options = options;
  }
}
