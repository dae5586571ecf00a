// Google Pub/Sub, as far as topics, subscriptions, publishing and pulling go, in memory:
// `node build/examples/push/pubsub-server.js [address]`. The manifests are Google's own; nobody changed them for this.

import { Code, createServer, RpcError, type Service } from "sluice";
import { timestampFrom } from "sluice/runtime";
import { onParent, sendToParent } from "../../bench/lib/child.js";
import { Publisher, type PubsubMessageInit, Subscriber } from "./gen/google/pubsub/v1/pubsub.js";
import type { FromServer } from "./messages.js";

/** What a subscription holds. A message that was pulled and never acknowledged stays out: there is no ack deadline here. */
interface Backlog {
  readonly topic: string;
  readonly waiting: PubsubMessageInit[];
  readonly pulled: Map<string, PubsubMessageInit>;
}

const topics = new Set<string>();
const subscriptions = new Map<string, Backlog>();
let published = 0;

const server = createServer();

server.handle(Publisher, {
  ...unimplemented(Publisher),

  async createTopic(topic) {
    if (topics.has(topic.name)) throw new RpcError(Code.ALREADY_EXISTS, `${topic.name} exists`);
    topics.add(topic.name);
    return topic;
  },

  async publish({ topic, messages }) {
    if (!topics.has(topic)) throw new RpcError(Code.NOT_FOUND, `no topic ${topic}`);
    const stored = messages.map((message) => ({
      ...message,
      messageId: String(++published),
      publishTime: timestampFrom(new Date()),
    }));
    for (const backlog of subscriptions.values()) if (backlog.topic === topic) backlog.waiting.push(...stored);
    return { messageIds: stored.map(({ messageId }) => messageId) };
  },
});

server.handle(Subscriber, {
  ...unimplemented(Subscriber),

  async createSubscription(subscription) {
    const { name, topic } = subscription;
    if (!topics.has(topic)) throw new RpcError(Code.NOT_FOUND, `no topic ${topic}`);
    if (subscriptions.has(name)) throw new RpcError(Code.ALREADY_EXISTS, `${name} exists`);
    subscriptions.set(name, { topic, waiting: [], pulled: new Map() });
    return subscription;
  },

  async pull({ subscription, maxMessages }) {
    const { waiting, pulled } = backlogOf(subscription);
    const receivedMessages = waiting.splice(0, maxMessages).map((message) => {
      const ackId = `${subscription}/${message.messageId}`;
      pulled.set(ackId, message);
      return { ackId, message };
    });
    return { receivedMessages };
  },

  async acknowledge({ subscription, ackIds }) {
    const { pulled } = backlogOf(subscription);
    for (const ackId of ackIds) pulled.delete(ackId);
    return {};
  },
});

function backlogOf(subscription: string): Backlog {
  const backlog = subscriptions.get(subscription);
  if (backlog === undefined) throw new RpcError(Code.NOT_FOUND, `no subscription ${subscription}`);
  return backlog;
}

/** Handlers that refuse every method of a service, streaming ones too. Spread under those that exist, they make it complete. */
function unimplemented<Handlers extends object>(service: Service<Handlers>): Handlers {
  const refusals = Object.values(service.methods).map(({ localName, path }) => {
    const refuse = (): never => {
      throw new RpcError(Code.UNIMPLEMENTED, `${path} is not part of this example`);
    };
    return [localName, refuse] as const;
  });
  return Object.fromEntries(refusals) as Handlers;
}

const address = await server.listen(process.argv[2] ?? "tcp://127.0.0.1:8085");
console.log(`   process ${process.pid} serves google.pubsub.v1.Publisher and Subscriber at ${address}`);

// For the demo that started this process, if one did.
const tell = (message: FromServer): void => sendToParent(message);
tell({ type: "listening", address });
onParent(() => {});
