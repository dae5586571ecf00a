// What a service becomes: the client class, the interface of its handlers, and the descriptor that both sides share.
// Only unary rpcs can be called and handled; streaming ones are described, and their absence is documented.

import { emitServiceOptions, methodOptions, serviceOptions } from "./emit-options.js";
import { deprecation } from "./emit-types.js";
import type { MethodModel, ServiceModel } from "./model.js";
import { docComment, literal, propertyKey } from "./printer.js";
import type { Target } from "./target.js";

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
  printer.line(...docComment(service.comment, [...absentMethods(service), ...deprecation(service)]));
  printer.block(`export class ${service.clientName} {`, () => {
    printer.line(`private readonly caller: ${caller};`, "");
    printer.block(`constructor(caller: ${caller}) {`, () => printer.line("this.caller = caller;"));
    for (const method of unaryMethods(service)) emitCall(target, service, method);
  });
  printer.line("");
}

function emitCall(target: Target, service: ServiceModel, method: MethodModel): void {
  const { printer } = target;
  const request = target.messageInitType(method.input);
  const options = target.runtimeType("CallOptions");
  const signature = `${propertyKey(method.localName)}(request: ${request}, options?: ${options})`;
  printer.line("", ...docComment(method.comment, deprecation(method)));
  printer.block(`${signature}: Promise<${target.messageType(method.output)}> {`, () => {
    printer.line(`return this.caller.unary(${service.localName}.methods.${method.localName}, request, options);`);
  });
}

function emitHandlers(target: Target, service: ServiceModel): void {
  const { printer } = target;
  const doc = docComment(`What implements {@link ${service.localName}}.`, absentMethods(service));
  const methods = unaryMethods(service);
  printer.line(...doc);
  if (methods.length === 0) {
    printer.line(`export type ${service.handlersName} = Record<never, never>;`, "");
    return;
  }
  const context = target.runtimeType("CallContext");
  printer.block(`export interface ${service.handlersName} {`, () => {
    for (const method of methods) {
      const reply = target.messageInitType(method.output);
      printer.line(...docComment(method.comment, deprecation(method)));
      printer.line(
        `${propertyKey(method.localName)}(request: ${target.messageType(method.input)}, ctx: ${context}): ${reply} | Promise<${reply}>;`,
      );
    }
  });
  printer.line("");
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
  printer.line(head, ...methodSpec(target, service, method).map((line) => `    ${line},`), "  }),");
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
    ...(method.options.get("deprecated") === true ? ["deprecated: true"] : []),
    ...(options === undefined ? [] : [`options: ${options}`]),
  ];
}

function unaryMethods(service: ServiceModel): MethodModel[] {
  return service.methods.filter(({ methodKind }) => methodKind === "unary");
}

function absentMethods(service: ServiceModel): string[] {
  const absent = service.methods.filter(({ methodKind }) => methodKind !== "unary").map(({ name }) => name);
  return absent.length === 0 ? [] : [`Not here, because this version has no streams: ${absent.join(", ")}.`];
}
