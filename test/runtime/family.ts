/** Families of scripted actors under a supervisor, for the tests of supervision. */
import { Effect } from "effect"
import { expect } from "vitest"
import { type Address, address, type Behaviour, type ChildOptions, child } from "../../src/runtime/actor.ts"
import type { Ask, Tell } from "../../src/runtime/protocol.ts"
import type { SupervisorSpec } from "../../src/runtime/supervision.ts"
import { Supervisor } from "../../src/runtime/supervisor.ts"

export type Worker = {
  readonly Ping: Ask<void, number>
  readonly Crash: Ask<void, void>
  readonly Wait: Ask<number, void>
  readonly Finish: Tell<void>
  readonly Note: Tell<string>
  readonly CrashLater: Tell<number>
}

export const within = { within: "1 minute" } as const
export const backoff = {
  initial: "1 second",
  maximum: "8 seconds",
  factor: 2,
  jitter: 0,
  resetAfter: "1 minute"
} as const

/** An actor that writes down what happens to it. `incarnation` counts its incarnations. */
export const worker = (
  log: Array<string>,
  name: string,
  extra: Partial<{ init: (incarnation: number) => Effect.Effect<void, string>; release: Effect.Effect<void> }> = {}
): Behaviour<Worker, string> => {
  let incarnation = 0
  return {
    init: (context) =>
      Effect.gen(function* () {
        incarnation += 1
        const mine = incarnation
        yield* extra.init?.(mine) ?? Effect.void
        log.push(`${name} up`)
        yield* Effect.addFinalizer(() =>
          Effect.andThen(
            Effect.sync(() => log.push(`${name} down`)),
            extra.release ?? Effect.void
          )
        )
        return {
          Ping: () => Effect.succeed(mine),
          Crash: () => Effect.die(new Error("boom")),
          Wait: (ms) => Effect.sleep(ms),
          Finish: () => context.stop,
          Note: (text) => Effect.sync(() => void log.push(text)),
          CrashLater: (ms) => context.task("bomb", Effect.andThen(Effect.sleep(ms), Effect.fail("bomb")))
        }
      })
  }
}

export const place = (name: string) =>
  address<Worker>({ name, mailbox: { capacity: 8, overflow: { policy: "refuse" } } })

export const permanent = { restart: "permanent" } as const

export const supervise = (children: SupervisorSpec["children"], options: Partial<SupervisorSpec> = {}) =>
  Supervisor.start({
    name: "root",
    strategy: "one_for_one",
    intensity: { max: 3, within: "1 minute" },
    backoff,
    onExhausted: "escalate",
    ...options,
    children
  } as SupervisorSpec<[]>)

export const family = (
  names: ReadonlyArray<string>,
  log: Array<string>,
  options: Partial<SupervisorSpec> & { readonly of?: (name: string) => Partial<ChildOptions> } = {}
) =>
  Effect.gen(function* () {
    const places = new Map<string, Address<Worker>>()
    for (const name of names) places.set(name, yield* place(name))
    const children = [...places].map(([name, address]) =>
      child(address, worker(log, name), { ...permanent, ...options.of?.(name) })
    )
    const handle = yield* supervise(children, options)
    const ref = (name: string) => (places.get(name) ?? expect.fail(`no actor ${name}`)).ref
    return { handle, ref }
  })
