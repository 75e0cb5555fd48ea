/** Why an ask got no answer. These errors belong to the sending, never to the request itself. */
import { Data } from "effect"

/** The message was not accepted: the mailbox was full, or the actor had stopped permanently. */
export class Undeliverable extends Data.TaggedError("Undeliverable")<{
  readonly actor: string
  readonly reason: "full" | "stopped"
  /** It is parked, and restarts in so many milliseconds. */
  readonly retryInMs?: number
}> {}

/** The deadline passed. `queued`: it was never handled. `handling`: the actor had started. */
export class AskTimeout extends Data.TaggedError("AskTimeout")<{
  readonly actor: string
  readonly message: string
  readonly stage: "queued" | "handling"
  readonly withinMs: number
}> {}

/** The actor ended while it handled the message. It may have been handled in part. */
export class PeerDown extends Data.TaggedError("PeerDown")<{
  readonly actor: string
  readonly message: string
}> {}

export type AskFailed = Undeliverable | AskTimeout | PeerDown
