// What tests of streams share.

/** A message with a payload, as most of `grpc.testing` are. */
interface WithPayload {
  readonly payload?: { readonly body: Uint8Array } | undefined;
}

/** `bytes` zeros. */
export function zeros(bytes: number): Uint8Array {
  return new Uint8Array(bytes);
}

/** Everything that `messages` gives. */
export async function collect<T>(messages: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const message of messages) all.push(message);
  return all;
}

/** How long the bodies are, in bytes. */
export function sizesOf(messages: readonly WithPayload[]): number[] {
  return messages.map(({ payload }) => payload?.body.length ?? 0);
}
