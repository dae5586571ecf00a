// A publisher and a subscriber of Google Pub/Sub, through generated clients: publishes messages, pulls them, and makes
// sure that each one arrived exactly once and as it was sent.

import { isDeepStrictEqual } from "node:util";
import { type Channel, connect } from "sluice";
import {
  PublisherClient,
  type PubsubMessage,
  type PubsubMessageInit,
  type ReceivedMessage,
  SubscriberClient,
} from "./gen/google/pubsub/v1/pubsub.js";

const TOPIC = "projects/demo/topics/push";
const SUBSCRIPTION = "projects/demo/subscriptions/audit";
/** Messages in a Publish call, and at most in a reply to Pull. */
const BATCH = 10;
const PULLERS = 8;

/** What came of publishing. */
export interface Delivery {
  readonly published: number;
  readonly arrived: number;
  readonly bytes: number;
  /** Everything that was not as it should be; empty if each message arrived once and intact. */
  readonly problems: readonly string[];
}

/** Publishes `count` messages to the server at `address` and receives them again. */
export async function publishAndReceive(address: string, count: number): Promise<Delivery> {
  await using channel = connect(address);
  const publisher = new PublisherClient(channel);
  await publisher.createTopic({ name: TOPIC, labels: { purpose: "demo" } });
  await new SubscriberClient(channel).createSubscription({ name: SUBSCRIPTION, topic: TOPIC, ackDeadlineSeconds: 60 });

  // All calls at once: they share one connection, and none waits for another.
  const messages = Array.from({ length: count }, (_, n) => makeMessage(n));
  const batches = Array.from({ length: Math.ceil(count / BATCH) }, (_, n) =>
    messages.slice(n * BATCH, (n + 1) * BATCH),
  );
  const replies = await Promise.all(batches.map((batch) => publisher.publish({ topic: TOPIC, messages: batch })));
  const ids = replies.flatMap(({ messageIds }) => messageIds);

  const received = await receiveAll(channel);
  return {
    published: ids.length,
    arrived: received.length,
    bytes: received.reduce((sum, { data }) => sum + data.length, 0),
    problems: compare(messages, ids, received),
  };
}

/** Pulls and acknowledges until nothing is left. */
async function receiveAll(channel: Channel): Promise<PubsubMessage[]> {
  const subscriber = new SubscriberClient(channel);
  const received: ReceivedMessage[] = [];
  const pull = async (): Promise<void> => {
    for (;;) {
      const { receivedMessages } = await subscriber.pull({ subscription: SUBSCRIPTION, maxMessages: BATCH });
      if (receivedMessages.length === 0) return;
      received.push(...receivedMessages);
      await subscriber.acknowledge({ subscription: SUBSCRIPTION, ackIds: receivedMessages.map(({ ackId }) => ackId) });
    }
  };
  await Promise.all(Array.from({ length: PULLERS }, pull));
  return received.flatMap(({ message }) => message ?? []);
}

/** A message that differs from every other one, of up to two kilobytes. */
function makeMessage(n: number): Required<Pick<PubsubMessageInit, "data" | "attributes" | "orderingKey">> {
  return {
    data: Uint8Array.from({ length: (n * 131) % 2048 }, (_, at) => n * 7 + at * 13),
    attributes: { number: String(n), kind: n % 2 === 0 ? "greeting" : "größe" },
    orderingKey: `user-${n % 100}`,
  };
}

function compare(
  sent: readonly PubsubMessageInit[],
  ids: readonly string[],
  received: readonly PubsubMessage[],
): string[] {
  const byId = new Map(received.map((message) => [message.messageId, message]));
  const problems = sent.flatMap((message, n) => {
    const got = byId.get(ids[n] ?? "");
    if (got === undefined) return [`message ${n} did not arrive`];
    return isSame(message, got) ? [] : [`message ${n} arrived changed`];
  });
  // With every message there, as many as were sent means that none came twice, and none that nobody sent.
  const surplus = received.length - sent.length;
  if (surplus > 0) problems.push(`${surplus} messages arrived that are copies, or that nobody sent`);
  return problems;
}

function isSame(sent: PubsubMessageInit, got: PubsubMessage): boolean {
  return (
    Buffer.from(sent.data ?? []).equals(got.data) &&
    // A decoded map has no prototype, so that no key of it can mean anything else; a copy compares with a literal.
    isDeepStrictEqual({ ...got.attributes }, sent.attributes) &&
    got.orderingKey === sent.orderingKey &&
    got.publishTime !== undefined
  );
}
