/** Work inside a span where no collector is set, and the same work alone: as services run without telemetry. */
import { Effect } from "effect"
import { withTelemetry } from "../../src/cli/services/telemetry/telemetry.ts"
import { start } from "../../src/runtime/actor.ts"
import type { Ask } from "../../src/runtime/protocol.ts"
import { spanned } from "../../src/runtime/span.ts"

const adder = { init: () => Effect.succeed({ Add: (n: number) => Effect.succeed(n + 1) }) }
const mailbox = { capacity: 16, overflow: { policy: "block" } } as const

const timed = (asks: number, isSpanned: boolean) =>
  Effect.gen(function* () {
    const ref = yield* start<{ readonly Add: Ask<number, number> }, never, never>({
      name: "adder",
      mailbox,
      behaviour: adder
    })
    const from = performance.now()
    for (let n = 0; n < asks; n++) {
      const ask = ref.ask("Add", n, { within: "1 minute" })
      yield* isSpanned ? spanned("measured", { attributes: () => ({ n }) }, ask) : ask
    }
    return performance.now() - from
  })

/** Milliseconds for so many asks. */
export const asking = (asks: number, isSpanned: boolean): Promise<number> =>
  Effect.runPromise(withTelemetry(Effect.scoped(timed(asks, isSpanned)), { service: "bench", version: "bench" }))
