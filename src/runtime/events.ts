/**
 * Events of the runtime, and their sink.
 *
 * Events name actors and messages, never payloads. The sink is called in the middle of the runtime's work:
 * it must neither wait nor throw; `observe.ts` makes one that does neither.
 */
import { type Cause, Context } from "effect"

export type RuntimeEvent =
  | { readonly _tag: "Started"; readonly actor: string; readonly at: number }
  | { readonly _tag: "Ready"; readonly actor: string; readonly at: number }
  | { readonly _tag: "Failed"; readonly actor: string; readonly at: number; readonly cause: Cause.Cause<unknown> }
  | { readonly _tag: "Restarting"; readonly actor: string; readonly at: number; readonly afterMs: number }
  | {
      readonly _tag: "GaveUp"
      readonly actor: string
      readonly at: number
      readonly cause: Cause.Cause<unknown>
      /** When it is restarted; undefined: never. */
      readonly againAfterMs: number | undefined
    }
  | { readonly _tag: "Stopped"; readonly actor: string; readonly at: number }
  | {
      readonly _tag: "DeadLetter"
      readonly actor: string
      readonly at: number
      readonly message: string
      readonly why: "answered too late" | "stopped" | "restarted"
    }
  /** A handler takes longer than `slowAfterMs`: reported once while it runs, and once when it has ended. */
  | {
      readonly _tag: "Slow"
      readonly actor: string
      readonly at: number
      readonly message: string
      readonly stage: "handling" | "done"
      readonly tookMs: number
    }

export interface EventSink {
  readonly publish: (event: RuntimeEvent) => void
  /** Duration after which a handler counts as slow, in milliseconds. */
  readonly slowAfterMs: number
}

/** Read when an address is made, and by supervisors when they start. */
export const RuntimeEvents = Context.Reference<EventSink>("tedge-actors/RuntimeEvents", {
  defaultValue: () => ({ publish: () => undefined, slowAfterMs: Number.POSITIVE_INFINITY })
})
