/** Prints a line when it watches, and one each time something appeared. */
import { Effect } from "effect"
import { watchNetwork } from "../../../src/platform/network/network-changes.ts"

await Effect.runPromise(
  Effect.scoped(
    Effect.gen(function* () {
      yield* watchNetwork(() => console.log("appeared"))
      console.log("watching")
      yield* Effect.never
    })
  )
)
