import { Data, Effect } from "effect"
import { type Ask, address, type Behaviour, child, Supervisor, type Tell } from "../../src/runtime/actors.ts"

/** The account has less than was asked for. */
class TooLittle extends Data.TaggedError("TooLittle")<{ readonly balance: number }> {}

/** What an account understands. */
type AccountProtocol = {
  readonly Deposit: Tell<number>
  /** Answers with the new balance. */
  readonly Withdraw: Ask<number, number, TooLittle>
}

const account: Behaviour<AccountProtocol> = {
  init: () =>
    Effect.sync(() => {
      let balance = 0
      return {
        Deposit: (amount) =>
          Effect.sync(() => {
            balance += amount
          }),
        Withdraw: (amount) => {
          if (amount > balance) return Effect.fail(new TooLittle({ balance }))
          balance -= amount
          return Effect.succeed(balance)
        }
      }
    })
}

export const bank = Effect.gen(function* () {
  const mine = yield* address<AccountProtocol>({
    name: "account",
    mailbox: { capacity: 16, overflow: { policy: "block" } }
  })
  yield* Supervisor.start({
    name: "bank",
    strategy: "one_for_one",
    intensity: { max: 3, within: "1 minute" },
    backoff: { initial: "100 millis", maximum: "10 seconds", factor: 2, jitter: 0.2, resetAfter: "1 minute" },
    onExhausted: "escalate",
    children: [child(mine, account, { restart: "permanent" })]
  })
  yield* mine.ref.tell("Deposit", 100)
  const left = yield* mine.ref.ask("Withdraw", 30, { within: "1 second" })
  const refused = yield* Effect.flip(mine.ref.ask("Withdraw", 100, { within: "1 second" }))
  return [left, refused._tag]
})
