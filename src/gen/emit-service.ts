// What a service becomes: the client class, the interface of its handlers, and the descriptor that both sides share.
// A side of an rpc that streams is a call object in the client and an iterable in the handlers.

import { emitServiceOptions, methodOptions, serviceOptions } from "./emit-options.js";
import { emitPolicies } from "./emit-policy.js";
import { deprecation } from "./emit-types.js";
import type { MethodModel, ServiceModel } from "./model.js";
import { docComment, literal, propertyKey } from "./printer.js";
import type { Target } from "./target.js";

/** The function of a `Caller` that carries a kind of rpc. */
const CARRIERS: Readonly<Record<MethodModel["methodKind"], string>> = {
  unary: "unary",
  "client-streaming": "clientStream",
  "server-streaming": "serverStream",
  "bidi-streaming": "bidiStream",
};

/** Where the properties of a method's descriptor stand. */
const SPEC_INDENT = "    ";

/** Emits everything for one service. */
export function emitService(target: Target, service: ServiceModel): void {
  emitServiceOptions(target, service);
  emitClient(target, service);
  emitHandlers(target, service);
  emitDescriptor(target, service);
}

function emitClient(target: Target, service: ServiceModel): void {
  const { printer } = target;
  const caller = target.runtimeType("Caller");
  printer.line(...docComment(service.comment, deprecation(service)));
  printer.block(`export class ${service.clientName} {`, () => {
    printer.line(`private readonly caller: ${caller};`, "");
    printer.block(`constructor(caller: ${caller}) {`, () => printer.line("this.caller = caller;"));
    for (const method of service.methods) emitCall(target, service, method);
  });
  printer.line("");
}

function emitCall(target: Target, service: ServiceModel, method: MethodModel): void {
  const { printer } = target;
  const options = `options?: ${target.runtimeType("CallOptions")}`;
  const request = `request: ${target.messageInitType(method.input)}`;
  const parameters = streamsRequests(method) ? options : `${request}, ${options}`;
  const passed = streamsRequests(method) ? "options" : "request, options";
  printer.line("", ...docComment(method.comment, deprecation(method)));
  printer.block(`${propertyKey(method.localName)}(${parameters}): ${callType(target, method)} {`, () => {
    const descriptor = `${service.localName}.methods.${method.localName}`;
    printer.line(`return this.caller.${CARRIERS[method.methodKind]}(${descriptor}, ${passed});`);
  });
}

/** What a client's function gives back. */
function callType(target: Target, { methodKind, input, output }: MethodModel): string {
  const request = target.messageInitType(input);
  const reply = target.messageType(output);
  switch (methodKind) {
    case "unary":
      return `Promise<${reply}>`;
    case "client-streaming":
      return `${target.runtimeType("ClientStream")}<${request}, ${reply}>`;
    case "server-streaming":
      return `${target.runtimeType("ServerStream")}<${reply}>`;
    case "bidi-streaming":
      return `${target.runtimeType("BidiStream")}<${request}, ${reply}>`;
  }
}

function emitHandlers(target: Target, service: ServiceModel): void {
  const { printer } = target;
  printer.line(...docComment(`What implements {@link ${service.localName}}.`));
  if (service.methods.length === 0) {
    printer.line(`export type ${service.handlersName} = Record<never, never>;`, "");
    return;
  }
  printer.block(`export interface ${service.handlersName} {`, () => {
    for (const method of service.methods) {
      printer.line(...docComment(method.comment, deprecation(method)), handlerType(target, method));
    }
  });
  printer.line("");
}

/** The signature of an rpc's handler. */
function handlerType(target: Target, method: MethodModel): string {
  if (method.policy.server.batch !== undefined) return batchHandlerType(target, method);
  const request = target.messageType(method.input);
  const reply = target.messageInitType(method.output);
  const parameter = streamsRequests(method) ? `requests: AsyncIterable<${request}>` : `request: ${request}`;
  const result = streamsReplies(method)
    ? `AsyncIterable<${reply}> | Iterable<${reply}>`
    : `${reply} | Promise<${reply}>`;
  return `${propertyKey(method.localName)}(${parameter}, ctx: ${target.runtimeType("CallContext")}): ${result};`;
}

/** That of an rpc whose calls come in batches: arrays of one length, an answer for each call. */
function batchHandlerType(target: Target, { localName, input, output }: MethodModel): string {
  const parameters = `requests: ${target.messageType(input)}[], contexts: ${target.runtimeType("CallContext")}[]`;
  const replies = `${target.runtimeType("BatchReplies")}<${target.messageInitType(output)}>`;
  return `${propertyKey(localName)}(${parameters}): ${replies} | Promise<${replies}>;`;
}

function emitDescriptor(target: Target, service: ServiceModel): void {
  const { printer } = target;
  const type = target.runtime("Service");
  printer.line(...docComment(service.comment, deprecation(service)));
  printer.block(
    `export const ${service.localName}: ${type}<`,
    () => {
      printer.line(`${service.handlersName},`);
      const options = serviceOptions(service);
      const comma = options === undefined ? "" : ",";
      const methods = service.methods.map((method) => methodType(target, service, method));
      if (methods.length === 0) printer.line(`Record<never, never>${comma}`);
      else printer.block("{", () => printer.line(...methods), `}${comma}`);
      if (options !== undefined) printer.line(`typeof ${options}`);
    },
    `> = /* @__PURE__ */ new ${type}(${literal(service.fullName)}, {`,
  );
  for (const method of service.methods) emitMethod(target, service, method);
  const options = serviceOptions(service);
  printer.line(options === undefined ? "});" : `}, ${options});`, "");
}

function methodType(target: Target, service: ServiceModel, method: MethodModel): string {
  const { localName, input, output } = method;
  const options = methodOptions(service, method);
  const types = [
    target.messageType(input),
    target.messageInitType(input),
    target.messageType(output),
    target.messageInitType(output),
    ...(options === undefined ? [] : [`typeof ${options}`]),
  ];
  return `readonly ${propertyKey(localName)}: ${target.runtimeType("Method")}<${types.join(", ")}>;`;
}

function emitMethod(target: Target, service: ServiceModel, method: MethodModel): void {
  const { printer } = target;
  const head = `  ${propertyKey(method.localName)}: /* @__PURE__ */ new ${target.runtime("Method")}(${literal(service.fullName)}, {`;
  const spec = methodSpec(target, service, method).map((line) => `${SPEC_INDENT}${line},`);
  printer.line(head, ...spec, "  }),");
}

function methodSpec(target: Target, service: ServiceModel, method: MethodModel): string[] {
  const options = methodOptions(service, method);
  const { deadlineMs, oneWay, priority, idempotency } = method.policy;
  return [
    `name: ${literal(method.name)}`,
    `localName: ${literal(method.localName)}`,
    ...(method.methodKind === "unary" ? [] : [`kind: ${literal(method.methodKind)}`]),
    `input: ${target.messageConstant(method.input)}`,
    `output: ${target.messageConstant(method.output)}`,
    ...(deadlineMs === undefined ? [] : [`deadlineMs: ${deadlineMs}`]),
    ...(oneWay ? ["oneWay: true"] : []),
    ...(priority === undefined ? [] : [`priority: ${literal(priority)}`]),
    ...(idempotency === undefined ? [] : [`idempotency: ${literal(idempotency)}`]),
    ...emitPolicies(method.policy, SPEC_INDENT),
    ...(method.options.get("deprecated") === true ? ["deprecated: true"] : []),
    ...(options === undefined ? [] : [`options: ${options}`]),
  ];
}

function streamsRequests({ methodKind }: MethodModel): boolean {
  return methodKind === "client-streaming" || methodKind === "bidi-streaming";
}

function streamsReplies({ methodKind }: MethodModel): boolean {
  return methodKind === "server-streaming" || methodKind === "bidi-streaming";
}
