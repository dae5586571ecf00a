// The TypeScript names of what manifests declare. Rules, so that a name can be predicted: nested types are
// `Order_Cash`; fields and rpcs are lowerCamelCase; a name that JavaScript, TypeScript or generated code already uses
// gets a `$`. Names depend only on the manifest they are in.

import { tellsEnumOptions, tellsMessageOptions } from "./custom-options.js";
import {
  allEnums,
  allExtensions,
  allMessages,
  type EnumModel,
  type FieldModel,
  type FileModel,
  type MessageModel,
  type OneofModel,
  type ServiceModel,
} from "./model.js";

const words = (text: string): ReadonlySet<string> => new Set(text.split(/\s+/));

/** What no variable may be called: keywords, literals, and names that strict mode reserves. */
export const KEYWORDS: ReadonlySet<string> = words(
  `arguments async await break case catch class const continue debugger default delete do else enum eval export extends
   false finally for function if implements import in instanceof interface let new null package private protected public
   return static super switch this throw true try typeof undefined var void while with yield`,
);

/** What no type may be called, beside the keywords. */
const TYPE_KEYWORDS = words(
  "abstract any as asserts bigint boolean declare infer is keyof never number object string symbol type unique unknown using",
);

/** Globals that generated code uses or that would confuse its readers. */
const GLOBALS =
  words(`Array AsyncIterable BigInt Boolean Buffer Date Error Function globalThis Infinity Iterable Map Math NaN Number
   Object Promise Proxy Record Reflect RegExp Set String Symbol Uint8Array`);

/** Properties that every object has: as field names they would read as set where they are not. */
const OBJECT_PROPERTIES =
  words(`constructor hasOwnProperty isPrototypeOf propertyIsEnumerable toLocaleString toString valueOf
   toJSON __proto__ __defineGetter__ __defineSetter__ __lookupGetter__ __lookupSetter__`);

/** Members of generated clients, and `then`, which would make a client look like a promise. */
const CLIENT_MEMBERS = words("caller then prototype");

/** Chooses every TypeScript name in a file. */
export function assignNames(file: FileModel): void {
  const exported = new NameTable([KEYWORDS, TYPE_KEYWORDS, GLOBALS]);
  const messages = allMessages(file);
  for (const message of messages) message.localName = exported.take(nestedName(message));
  for (const declared of enumsWithParents(file)) declared.model.localName = exported.take(declared.name);
  for (const service of file.services) service.localName = exported.take(service.name);
  for (const message of messages) message.initName = exported.take(`${message.localName}Init`);
  for (const service of file.services) assignServiceNames(service, exported);
  for (const message of messages) message.defaultsName = exported.take(`${message.localName}Defaults`);
  for (const message of messages) assignMemberNames(message);
  assignExtensionNames(file, exported);
  assignOptionNames(file, exported);
}

/** Last, and only where there are options: they take no name from anything else. */
function assignOptionNames(file: FileModel, exported: NameTable): void {
  for (const message of allMessages(file).filter(tellsMessageOptions))
    message.optionsName = exported.take(`${message.localName}Options`);
  for (const declared of allEnums(file).filter(tellsEnumOptions))
    declared.optionsName = exported.take(`${declared.localName}Options`);
}

/** `Order_note` for an extension that is declared in Order. They are camel case, as the names of functions are. */
function assignExtensionNames(file: FileModel, exported: NameTable): void {
  for (const { localName } of allMessages(file)) exported.reserve(functionNames(localName));
  const assign = (extension: FieldModel, prefix: string): void => {
    extension.localName = exported.take(prefix + startsLikeName(jsonName(extension.name)));
    exported.reserve(functionNames(extension.localName));
  };
  for (const extension of file.extensions) assign(extension, "");
  for (const message of allMessages(file)) {
    for (const extension of message.extensions) assign(extension, `${nestedName(message)}_`);
  }
}

/** Every name a generated file exports or declares at its top level. */
export function topLevelNames(file: FileModel): string[] {
  const messages = allMessages(file);
  return [
    ...messages.flatMap(({ localName, initName, defaultsName, optionsName }) => [
      localName,
      initName,
      defaultsName,
      optionsName,
      ...functionNames(localName),
    ]),
    ...allEnums(file).flatMap(({ localName, optionsName }) => [localName, optionsName]),
    ...file.services.flatMap(({ localName, clientName, handlersName, optionsName }) => [
      localName,
      clientName,
      handlersName,
      optionsName,
    ]),
  ];
}

/** The names that its extensions add to those, where they are generated. */
export function extensionNames(file: FileModel): string[] {
  return allExtensions(file).flatMap(({ localName }) => [
    localName,
    extensionInitName(localName),
    ...functionNames(localName),
  ]);
}

/** The type of what an extension's encoder takes; the `$` keeps it apart from those of messages. */
export function extensionInitName(localName: string): string {
  return `${localName}$Init`;
}

function functionNames(localName: string): string[] {
  return [`encode${localName}`, `decode${localName}`];
}

/** `user_id` -> `userId`, as protobuf's JSON mapping has it. */
export function jsonName(name: string): string {
  return name.replace(/_+([a-zA-Z0-9]?)/g, (_, next: string) => next.toUpperCase());
}

/** `CreateTopic` and `create_topic` -> `createTopic`. */
export function methodName(name: string): string {
  const camel = jsonName(name);
  return camel.charAt(0).toLowerCase() + camel.slice(1);
}

/** Hands out names, each once. */
class NameTable {
  private readonly taken: ReadonlySet<string>[];
  private readonly own = new Set<string>();

  constructor(reserved: ReadonlySet<string>[]) {
    this.taken = [...reserved, this.own];
  }

  /** `name`, with as many `$` as it needs to be free. */
  take(name: string): string {
    let free = name === "" ? "$" : name;
    while (this.taken.some((names) => names.has(free))) free += "$";
    this.own.add(free);
    return free;
  }

  /** Keeps names from being handed out. */
  reserve(names: readonly string[]): void {
    for (const name of names) this.own.add(name);
  }
}

function assignServiceNames(service: ServiceModel, exported: NameTable): void {
  service.clientName = exported.take(`${service.name}Client`);
  service.handlersName = exported.take(`${service.name}Handlers`);
  service.optionsName = exported.take(`${service.name}Options`);
  const methods = new NameTable([OBJECT_PROPERTIES, CLIENT_MEMBERS]);
  for (const method of service.methods) method.localName = methods.take(methodName(method.name));
}

function assignMemberNames(message: MessageModel): void {
  const members = new NameTable([OBJECT_PROPERTIES]);
  const memberOf = (name: string): string => members.take(startsLikeName(jsonName(name)));
  for (const field of message.fields) if (field.oneof === undefined) field.localName = memberOf(field.name);
  for (const oneof of message.oneofs) assignOneofNames(oneof, memberOf);
}

function assignOneofNames(oneof: OneofModel, memberOf: (name: string) => string): void {
  oneof.localName = memberOf(oneof.name);
  const cases = new NameTable([]);
  for (const field of oneof.fields) field.localName = cases.take(startsLikeName(jsonName(field.name)));
}

/** `_1st` would become `1st`. */
function startsLikeName(name: string): string {
  return /^[0-9]/.test(name) ? `$${name}` : name;
}

function nestedName(message: MessageModel): string {
  return message.parent === undefined ? message.name : `${nestedName(message.parent)}_${message.name}`;
}

function enumsWithParents(file: FileModel): { model: EnumModel; name: string }[] {
  const top = file.enums.map((model) => ({ model, name: model.name }));
  const nested = allMessages(file).flatMap((message) =>
    message.enums.map((model) => ({ model, name: `${nestedName(message)}_${model.name}` })),
  );
  return [...top, ...nested];
}
