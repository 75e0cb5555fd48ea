/**
 * tedge-actors: typed actors, supervisors and event channels on Effect fibers.
 *
 * The entry point of the package, and the only file that re-exports. Inside this project import the
 * file that declares a name.
 */
export {
  type ActorContext,
  type Address,
  address,
  type Behaviour,
  type ChildOptions,
  type ChildSpec,
  child,
  type Decision,
  type MailboxSpec,
  start
} from "./actor.ts"
export {
  AlreadyConsumed,
  Channel,
  type ChannelCounters,
  consume,
  fromEffect,
  type SubscribeOptions,
  SubscriberTooSlow,
  untilComplete
} from "./channel.ts"
export { type AskFailed, AskTimeout, PeerDown, Undeliverable } from "./errors.ts"
export { type EventSink, type RuntimeEvent, RuntimeEvents } from "./events.ts"
export type { ActorDown, ActorState } from "./internal/cell.ts"
export { Mailbox, type MailboxOptions, type Message, type Overflow } from "./mailbox.ts"
export { type Observed, observe } from "./observe.ts"
export type {
  Accepted,
  ActorRef,
  AnswerOf,
  Ask,
  AskTag,
  Handlers,
  PayloadOf,
  Protocol,
  RefusalOf,
  Tell,
  TellTag
} from "./protocol.ts"
export { reasonOf, traceOf } from "./reason.ts"
export {
  type AnyChild,
  type Backoff,
  type DynamicSupervisorHandle,
  type DynamicSupervisorSpec,
  type GraphNode,
  StartFailed,
  StartRefused,
  StartTimeout,
  type StopReport,
  type SupervisorExit,
  type SupervisorHandle,
  type SupervisorSpec,
  UnexpectedEnd
} from "./supervision.ts"
export { Supervisor } from "./supervisor.ts"
