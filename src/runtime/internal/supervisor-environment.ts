/** Dependencies of supervisors, from where they are started: services, clock, listener, randomness. */
import { Clock, Context, Random } from "effect"
import { type EventSink, RuntimeEvents } from "../events.ts"
import { type RunningTree, RunningTrees } from "../inspect.ts"

export interface SupervisorEnvironment {
  readonly context: Context.Context<never>
  readonly clock: Clock.Clock
  readonly events: EventSink
  /** Between 0 and 1, for jitter. */
  readonly chance: () => number
  /** Registers the tree for `inspect`; returns how to remove it. */
  readonly show: (tree: RunningTree) => () => void
}

export const supervisorEnvironment = (context: Context.Context<never>): SupervisorEnvironment => {
  const random = Context.get(context, Random.Random)
  const trees = Context.get(context, RunningTrees)
  return {
    context,
    clock: Context.get(context, Clock.Clock),
    events: Context.get(context, RuntimeEvents),
    chance: () => random.nextDoubleUnsafe(),
    show: (tree) => trees?.add(tree) ?? (() => undefined)
  }
}
