import { Effect } from "effect"
import { start } from "tedge-actors"

const counter = {
  init: () =>
    Effect.sync(() => {
      const added = []
      return { Add: (by) => Effect.sync(() => void added.push(by)), Read: () => Effect.succeed(added) }
    })
}
const program = Effect.gen(function* () {
  const mailbox = { capacity: 16, overflow: { policy: "block" } }
  const ref = yield* start({ name: "counter", mailbox, behaviour: counter })
  yield* ref.tell("Add", 2)
  yield* ref.tell("Add", 40)
  return yield* ref.ask("Read", undefined, { within: "1 second" })
})
console.log(await Effect.runPromise(Effect.scoped(program)))
