/**
 * The definition of an actor's protocol: one table per actor, one line per message.
 *
 * The compiler then refuses to ask a message that has no answer, to tell one that has, to send one the
 * actor lacks, and to leave out a handler.
 */
import type { Duration, Effect } from "effect"
import type { AskFailed, Undeliverable } from "./errors.ts"

/** A message that is answered with `Answer`, or refused with `Refusal` (OTP: call). */
export interface Ask<Payload, Answer, Refusal = never> {
  readonly kind: "ask"
  readonly payload: Payload
  readonly answer: Answer
  readonly refusal: Refusal
}

/** A message without an answer (OTP: cast). */
export interface Tell<Payload> {
  readonly kind: "tell"
  readonly payload: Payload
}

/** The messages an actor understands, by name. */
// biome-ignore lint/suspicious/noExplicitAny: the widest protocol; every concrete one is exact
export type Protocol = { readonly [tag: string]: Ask<any, any, any> | Tell<any> }

// biome-ignore lint/suspicious/noExplicitAny: matches every ask
type AnyAsk = Ask<any, any, any>

/** The names of the messages that are answered. */
export type AskTag<P extends Protocol> = { [Tag in keyof P & string]: P[Tag] extends AnyAsk ? Tag : never }[keyof P &
  string]

/** The names of the messages without an answer. */
export type TellTag<P extends Protocol> = Exclude<keyof P & string, AskTag<P>>

export type PayloadOf<P extends Protocol, Tag extends keyof P> = P[Tag]["payload"]
/** A handler's result: the answer of an ask, nothing for a tell. */
export type AnswerOf<P extends Protocol, Tag extends keyof P> =
  // biome-ignore lint/suspicious/noConfusingVoidType: it is the result type of an Effect
  P[Tag] extends Ask<infer _P, infer A, infer _R> ? A : void
export type RefusalOf<P extends Protocol, Tag extends keyof P> =
  P[Tag] extends Ask<infer _P, infer _A, infer R> ? R : never

/** One function per message. Leaving one out does not compile. */
export type Handlers<P extends Protocol> = {
  readonly [Tag in keyof P & string]: (payload: PayloadOf<P, Tag>) => Effect.Effect<AnswerOf<P, Tag>, RefusalOf<P, Tag>>
}

/** The outcome of an offered message. */
export type Accepted = "queued" | "refused"

/** The only handle on an actor. It stays valid when the actor is restarted. */
export interface ActorRef<P extends Protocol> {
  /** Its place in the tree, for display: "mapper/cryptoki". */
  readonly name: string
  /** Sends, waiting for room if the mailbox's policy is to block. */
  readonly tell: <Tag extends TellTag<P>>(tag: Tag, payload: PayloadOf<P, Tag>) => Effect.Effect<void, Undeliverable>
  /** Sends without ever waiting. */
  readonly offer: <Tag extends TellTag<P>>(tag: Tag, payload: PayloadOf<P, Tag>) => Effect.Effect<Accepted>
  /**
   * Sends and waits for the answer, at most `within`, and never longer than the ask that is being handled by
   * the caller. Interrupting the caller cancels: a waiting message is never handled, a running handler is interrupted.
   */
  readonly ask: <Tag extends AskTag<P>>(
    tag: Tag,
    payload: PayloadOf<P, Tag>,
    options: { readonly within: Duration.Input }
  ) => Effect.Effect<AnswerOf<P, Tag>, RefusalOf<P, Tag> | AskFailed>
}
