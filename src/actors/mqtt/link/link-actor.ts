/**
 * One broker, kept connected.
 *
 * Received messages are sent to the receiver in order, in batches of those that arrived together; PUBACK is sent when the
 * receiver is done with them. When the receiver is restarted, it gets its unacknowledged messages again.
 */
import { Clock, Deferred, Effect, Queue, type Scope } from "effect"
import type {
  Delivery,
  FailedPublish,
  LinkProtocol,
  LinkUserRef,
  MqttMessage,
  MqttRefusal
} from "../../../messages/mqtt.ts"
import type { ActorContext, Behaviour, MailboxSpec } from "../../../runtime/actor.ts"
import { Measurements } from "../../../runtime/measurements.ts"
import { preciseMs } from "../../../runtime/primitives/monotonic-time.ts"
import { spanned } from "../../../runtime/span.ts"
import type { Connect, InboundHandler } from "../broker-connection.ts"
import { type Link, type LinkOptions, type LinkPast, makeLink } from "./link.ts"
import { keepUp } from "./link-upkeep.ts"

/**
 * Publishes hold a place until they are acknowledged, so this bounds them as well. `refuse`, not `block`: links and their
 * receiver send to each other, and one of them must not wait. The receiver has at most `bounds.window` messages, half as
 * many, so the mailbox does not fill.
 */
export const linkMailbox: MailboxSpec = { capacity: 4096, overflow: { policy: "refuse" } }

export const linkBehaviour = (
  options: LinkOptions,
  connect: Connect,
  receiver: LinkUserRef
): Behaviour<LinkProtocol> => {
  // Deliveries and connections of the last incarnation must not be confused with those of the next.
  const past: LinkPast = { deliveries: 0, connections: 0 }
  return {
    // A waiting publish never delays an Acknowledge.
    concurrent: { tags: ["Publish", "PublishAll"] },
    init: (context) =>
      Effect.gen(function* () {
        const link = yield* makeLink(options, (made) => connect(options.target, inboundHandler(made)), receiver, past)
        yield* redeliverAfterRestart(link, context)
        yield* context.task("deliver", Effect.forever(Effect.andThen(link.wakeUp.wait, deliverWaiting(link))))
        yield* context.task("keep up", keepUp(link))
        return {
          Publish: ({ message }) => publish(link, message),
          PublishAll: (asked) => publishAll(link, asked),
          Acknowledge: ({ deliveries }) => acknowledge(link, deliveries),
          RetryNow: ({ because }) => Effect.asVoid(Queue.offer(link.retry, because)),
          Status: () => Effect.sync(() => link.status)
        }
      })
  }
}

const inboundHandler = (link: Link): InboundHandler => {
  const connection = link.past.connections
  return {
    acknowledged: "later",
    onMessage: (inbound) => {
      link.window.arrive(connection, inbound)
      link.wakeUp.notify()
    },
    onOversized: (publish) => void Queue.offerUnsafe(link.oversized, publish)
  }
}

const publish = ({ gate }: Link, message: MqttMessage): Effect.Effect<void, MqttRefusal> =>
  Effect.flatMap(gate.pass, (connection) => connection.publish(message))

const publishAll = (
  link: Link,
  { messages, connection: wanted }: { readonly messages: ReadonlyArray<MqttMessage>; readonly connection: number }
): Effect.Effect<{ readonly sent: boolean; readonly failed: ReadonlyArray<FailedPublish> }> =>
  Effect.suspend(() => {
    const { gate, past, status } = link
    const notSent = Effect.succeed({ sent: false, failed: [] })
    if (past.connections !== wanted) return notSent
    const { connection } = gate
    // Up, and about to open; or already closed, and then the next to open is another one.
    if (connection === undefined)
      return status._tag === "Up"
        ? Effect.andThen(gate.pass, publishAll(link, { messages, connection: wanted }))
        : notSent
    const published = Effect.map(connection.publishAll(messages), (failed) => ({ sent: true, failed }))
    const awaited = messages.filter(({ qos }) => qos === 1).length
    return awaited === 0
      ? published
      : spanned("publish until PUBACK", { kind: "client" }, recordingPubackTime(link, awaited, published))
  })

type Published = Effect.Effect<{ readonly sent: boolean; readonly failed: ReadonlyArray<FailedPublish> }>

const recordingPubackTime = ({ options }: Link, awaited: number, publishing: Published): Published =>
  Effect.withFiber((fiber) => {
    const [record, clock] = [fiber.getRef(Measurements), fiber.getRef(Clock.Clock)]
    const startedAt = preciseMs(clock)
    return Effect.map(publishing, (answer) => {
      const times = Math.max(0, awaited - answer.failed.length)
      record({ name: "puback", ms: preciseMs(clock) - startedAt, times, labels: { side: options.side } })
      return answer
    })
  })

const acknowledge = (link: Link, deliveries: ReadonlyArray<number>): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { window, wakeUp, gate, past } = link
    const due: Array<number> = []
    for (const delivery of deliveries) {
      const puback = window.acknowledge(delivery)
      // Of an earlier connection: the broker redelivers it with another id.
      if (puback?.connection === past.connections) due.push(puback.packetId)
    }
    if (window.depth > 0) wakeUp.notify()
    const sent = gate.connection === undefined ? Effect.void : gate.connection.acknowledge(due)
    return Effect.andThen(sent, reconnectIfDue(link))
  })

const reconnectIfDue = ({ window, past, reconnect }: Link): Effect.Effect<void> =>
  window.needsAnother(past.connections) ? Effect.asVoid(Deferred.succeed(reconnect, undefined)) : Effect.void

const deliverWaiting = (link: Link): Effect.Effect<void> =>
  Effect.suspend(() => {
    // Before the gate opens it is unknown which waiting messages are redelivered.
    const next = link.gate.connection === undefined ? [] : link.window.takeSome(mostAtOnce)
    return next.length === 0 ? Effect.void : Effect.andThen(give(link, next), deliverWaiting(link))
  })

const give = ({ receiver, options }: Link, deliveries: ReadonlyArray<Delivery>): Effect.Effect<void> =>
  // A receiver that has stopped permanently gets nothing more; one that is restarted gets it again.
  Effect.ignore(receiver.tell("Received", { side: options.side, deliveries }))

/** Small enough that messages acknowledged together do not wait long for the last. */
const mostAtOnce = 50

const redeliverAfterRestart = (
  link: Link,
  context: ActorContext<LinkProtocol>
): Effect.Effect<void, never, Scope.Scope> => {
  let wasDown = false
  const down = () =>
    Effect.sync(() => {
      wasDown = true
    })
  const up = () =>
    Effect.suspend(() => {
      if (!wasDown) return Effect.void
      wasDown = false
      const { receiver, options, status } = link
      const again = link.window.withReceiverInOrder()
      const given = again.length === 0 ? Effect.void : give(link, again)
      return Effect.andThen(Effect.ignore(receiver.tell("LinkChanged", { side: options.side, status })), given)
    })
  return context.watch(link.receiver, { down, up })
}
