// The echo service for thrift, in the shape of what thrift's compiler generates for Node:
//
//   struct EchoMessage { 1: i64 id, 2: string name, 3: binary payload }
//   service Echo { EchoMessage echo(1: EchoMessage message) }
//
// written by hand, since the compiler is no npm package. Ids are 64-bit patterns; the bigint's are put into the eight bytes
// that thrift's Int64 stands for.

import type { EchoMessage } from "./peer.js";

/** What is used of thrift's protocols. */
export interface Protocol {
  writeMessageBegin(name: string, type: number, seqid: number): void;
  writeMessageEnd(): void;
  writeStructBegin(name: string): void;
  writeStructEnd(): void;
  writeFieldBegin(name: string, type: number, id: number): void;
  writeFieldEnd(): void;
  writeFieldStop(): void;
  writeI64(value: { readonly buffer: Buffer }): void;
  writeString(value: string): void;
  writeBinary(value: Buffer): void;
  flush(): void;
  readMessageBegin(): { readonly fname: string; readonly mtype: number; readonly rseqid: number };
  readMessageEnd(): void;
  readStructBegin(): unknown;
  readStructEnd(): void;
  readFieldBegin(): { readonly ftype: number; readonly fid: number };
  readFieldEnd(): void;
  readI64(): { readonly buffer: Buffer };
  readString(): string;
  readBinary(): Buffer;
  skip(type: number): void;
}

const STOP = 0;
const I64 = 10;
const STRING = 11;
const STRUCT = 12;
const CALL = 1;
const REPLY = 2;
const ARGUMENT = 1;
const RESULT = 0;

function writeMessage(output: Protocol, { id, name, payload }: EchoMessage): void {
  output.writeStructBegin("EchoMessage");
  output.writeFieldBegin("id", I64, 1);
  const buffer = Buffer.allocUnsafe(8);
  buffer.writeBigUInt64BE(id);
  output.writeI64({ buffer });
  output.writeFieldEnd();
  output.writeFieldBegin("name", STRING, 2);
  output.writeString(name);
  output.writeFieldEnd();
  output.writeFieldBegin("payload", STRING, 3);
  // thrift takes a view for a Buffer, and fails on any other.
  output.writeBinary(Buffer.from(payload.buffer, payload.byteOffset, payload.length));
  output.writeFieldEnd();
  output.writeFieldStop();
  output.writeStructEnd();
}

function readMessage(input: Protocol): EchoMessage {
  const message = { id: 0n, name: "", payload: NO_BYTES };
  readFields(input, (id, type) => {
    if (id === 1 && type === I64) message.id = input.readI64().buffer.readBigUInt64BE();
    else if (id === 2 && type === STRING) message.name = input.readString();
    else if (id === 3 && type === STRING) message.payload = input.readBinary();
    else input.skip(type);
  });
  return message;
}

const NO_BYTES: Uint8Array = new Uint8Array();

function readFields(input: Protocol, read: (id: number, type: number) => void): void {
  input.readStructBegin();
  for (;;) {
    const { ftype, fid } = input.readFieldBegin();
    if (ftype === STOP) break;
    read(fid, ftype);
    input.readFieldEnd();
  }
  input.readStructEnd();
}

/** Writes a struct whose only field is a message: the arguments of a call, or its result. */
function writeEnvelope(output: Protocol, type: number, seqid: number, field: number, message: EchoMessage): void {
  output.writeMessageBegin("echo", type, seqid);
  output.writeStructBegin("Echo_echo");
  output.writeFieldBegin("message", STRUCT, field);
  writeMessage(output, message);
  output.writeFieldEnd();
  output.writeFieldStop();
  output.writeStructEnd();
  output.writeMessageEnd();
}

function readEnvelope(input: Protocol, field: number): EchoMessage | undefined {
  let message: EchoMessage | undefined;
  readFields(input, (id, type) => {
    if (id === field && type === STRUCT) message = readMessage(input);
    else input.skip(type);
  });
  input.readMessageEnd();
  return message;
}

type Callback = (error: unknown, reply?: EchoMessage) => void;

/** What `thrift.createClient` makes a client of. */
export class Client {
  /** Where thrift looks for those who wait. */
  readonly _reqs: { [seqid: number]: Callback } = {};
  private readonly output: { flush(): void };
  private readonly protocol: new (
    transport: unknown,
  ) => Protocol;
  private seqid = 0;

  constructor(output: { flush(): void }, protocol: new (transport: unknown) => Protocol) {
    this.output = output;
    this.protocol = protocol;
  }

  echo(message: EchoMessage): Promise<EchoMessage> {
    return new Promise((resolve, reject) => {
      const seqid = ++this.seqid;
      this._reqs[seqid] = (error, reply) => (reply === undefined ? reject(error) : resolve(reply));
      writeEnvelope(new this.protocol(this.output), CALL, seqid, ARGUMENT, message);
      this.output.flush();
    });
  }

  /** Called by thrift with a reply. */
  recv_echo(input: Protocol, type: number, seqid: number): void {
    const callback = this._reqs[seqid];
    delete this._reqs[seqid];
    if (type !== REPLY) callback?.(new Error(`thrift answered with a message of type ${type}`));
    else callback?.(null, readEnvelope(input, RESULT));
  }
}

/** What `thrift.createServer` makes a server of. */
export class Processor {
  private readonly handler: { echo(message: EchoMessage): Promise<EchoMessage> };

  constructor(handler: { echo(message: EchoMessage): Promise<EchoMessage> }) {
    this.handler = handler;
  }

  /** Called by thrift with every call. Throws where not all of it has come; thrift tries again then. */
  process(input: Protocol, output: Protocol): void {
    const { rseqid } = input.readMessageBegin();
    const message = readEnvelope(input, ARGUMENT)!;
    void this.handler.echo(message).then((reply) => {
      writeEnvelope(output, REPLY, rseqid, RESULT, reply);
      output.flush();
    });
  }
}
