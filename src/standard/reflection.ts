// `sluice/reflection`: gRPC's server reflection, by which grpcurl and other tools learn what a server serves without having
// its manifests. The descriptors come from the generator; the services from the server.

import { Code } from "../codec/status.js";
import type { Server } from "../server/server.js";
import { type DescribedFile, DescriptorIndex, type Descriptors } from "./descriptor-index.js";
import { descriptors as ownDescriptors } from "./gen/descriptors.js";
import {
  ServerReflection,
  type ServerReflectionHandlers,
  type ServerReflectionRequest,
  type ServerReflectionResponseInit,
} from "./gen/grpc/reflection/v1/reflection.js";
import { ServerReflection as ServerReflectionAlpha } from "./gen/grpc/reflection/v1alpha/reflection.js";

export type { Descriptors } from "./descriptor-index.js";
export * from "./gen/grpc/reflection/v1/reflection.js";

/**
 * A response has descriptors of about this many bytes at most: those of the file that was asked for, and of as many of its
 * imports as fit. The client asks for the others by their names.
 */
const MAX_RESPONSE_BYTES = 262_144;

type Reply = NonNullable<ServerReflectionResponseInit["messageResponse"]>;

/**
 * Serves `grpc.reflection.v1.ServerReflection`, and `v1alpha` for older tools:
 *
 *     import { descriptors } from "./gen/descriptors.js";   // made by sluice generate --descriptors
 *     serveReflection(server, descriptors);
 *
 * Lists all services that the server serves, whenever they were added, and describes those that `descriptors` has; health
 * and reflection bring their own. Throws `DecodeError` if `descriptors` are none.
 */
export function serveReflection(server: Server, descriptors: Descriptors): void {
  const reflection = new Reflection(server, new DescriptorIndex(descriptors, ownDescriptors));
  server.handle(ServerReflection, reflection).handle(ServerReflectionAlpha, reflection);
}

class Reflection implements ServerReflectionHandlers {
  private readonly server: Pick<Server, "services">;
  private readonly index: DescriptorIndex;

  constructor(server: Pick<Server, "services">, index: DescriptorIndex) {
    this.server = server;
    this.index = index;
  }

  /** A file is sent once on each stream, unless it is the very one that is asked for. */
  async *serverReflectionInfo(
    requests: AsyncIterable<ServerReflectionRequest>,
  ): AsyncGenerator<ServerReflectionResponseInit> {
    const sent = new Set<DescribedFile>();
    for await (const request of requests)
      yield { validHost: request.host, originalRequest: request, messageResponse: this.reply(request, sent) };
  }

  private reply({ messageRequest: asked }: ServerReflectionRequest, sent: Set<DescribedFile>): Reply {
    switch (asked.case) {
      case "listServices":
        return this.services();
      case "fileByFilename":
        return this.files(this.index.file(asked.value), sent, `file ${JSON.stringify(asked.value)}`);
      case "fileContainingSymbol":
        return this.files(this.index.declaring(asked.value), sent, `symbol ${JSON.stringify(asked.value)}`);
      case "fileContainingExtension": {
        const { containingType, extensionNumber } = asked.value;
        const what = `extension ${extensionNumber} of ${JSON.stringify(containingType)}`;
        return this.files(this.index.extending(containingType, extensionNumber), sent, what);
      }
      case "allExtensionNumbersOfType":
        return this.extensions(asked.value);
      default:
        return failure(Code.UNIMPLEMENTED, "this server does not know what is asked");
    }
  }

  private services(): Reply {
    const names = this.server.services.map(({ typeName }) => typeName).sort();
    return { case: "listServicesResponse", value: { service: names.map((name) => ({ name })) } };
  }

  private extensions(message: string): Reply {
    if (this.index.declaring(message) === undefined) return notFound(`symbol ${JSON.stringify(message)}`);
    const extensionNumber = this.index.extensionNumbers(message);
    return { case: "allExtensionNumbersResponse", value: { baseTypeName: message, extensionNumber } };
  }

  private files(file: DescribedFile | undefined, sent: Set<DescribedFile>, what: string): Reply {
    if (file === undefined) return notFound(what);
    const fileDescriptorProto: Uint8Array[] = [];
    let size = 0;
    for (const each of this.index.withImports(file)) {
      const isLeftOut = sent.has(each) || size + each.bytes.length > MAX_RESPONSE_BYTES;
      if (isLeftOut && each !== file) continue;
      sent.add(each);
      size += each.bytes.length;
      fileDescriptorProto.push(each.bytes);
    }
    return { case: "fileDescriptorResponse", value: { fileDescriptorProto } };
  }
}

function notFound(what: string): Reply {
  return failure(Code.NOT_FOUND, `${what} is not in the descriptors that serveReflection was given`);
}

function failure(errorCode: Code, errorMessage: string): Reply {
  return { case: "errorResponse", value: { errorCode, errorMessage } };
}
