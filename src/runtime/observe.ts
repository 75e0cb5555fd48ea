/**
 * The runtime's events as a channel that never slows a sender.
 *
 * A tap: a slow subscriber misses events, and the channel counts them.
 */
import { Effect } from "effect"
import { Channel } from "./channel.ts"
import { type RuntimeEvent, RuntimeEvents } from "./events.ts"

export interface Observed {
  readonly channel: Channel<RuntimeEvent>
  /** Provides the sink for the events of actors created inside this effect. */
  readonly around: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

export const observe = (options: { readonly slowAfterMs: number } = { slowAfterMs: 1000 }): Observed => {
  const channel = Channel.make<RuntimeEvent>("runtime")
  const sink = { publish: channel.offer, slowAfterMs: options.slowAfterMs }
  return { channel, around: (effect) => Effect.provideService(effect, RuntimeEvents, sink) }
}
