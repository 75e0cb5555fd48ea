/** Sends a request to a mapper on its socket; retries until a mapper that was just started listens. */
import { Effect, Schedule } from "effect"
import {
  type CheckAnswer,
  parseCheckAnswer,
  printQuestion,
  socketVersion,
  tooManyClients
} from "../../../messages/service-socket.ts"
import { askJsonLine } from "../../../platform/sockets/json-lines-socket.ts"
import { monotonicNow } from "../../../runtime/primitives/monotonic-time.ts"

/** As checkCloud, for a mapper that already listens. */
export const checkCloudOnce = (path: string, withinMs: number): Effect.Effect<CheckAnswer | undefined> =>
  askJsonLine(path, printQuestion({ ask: "check", withinMs })).pipe(
    Effect.map(parseCheckAnswer),
    Effect.timeoutOrElse({ duration: withinMs + graceMs, orElse: () => Effect.succeed(undefined) }),
    Effect.catch(() => Effect.succeed(undefined))
  )

/** Undefined: no mapper of ours listened, or it did not respond in time. */
export const checkCloud = (path: string, withinMs: number): Effect.Effect<CheckAnswer | undefined> =>
  Effect.gen(function* () {
    const startedAt = yield* monotonicNow
    const ask = Effect.gen(function* () {
      const leftMs = withinMs - ((yield* monotonicNow) - startedAt)
      const question = printQuestion({ ask: "check", withinMs: Math.max(leftMs, 1) })
      const line = yield* askJsonLine(path, question)
      return line === tooManyClients ? yield* Effect.fail("busy") : parseCheckAnswer(line)
    }).pipe(
      Effect.catchIf(
        (code) => code === "EACCES",
        // Will not change while this command waits.
        () =>
          Effect.succeed<CheckAnswer>({
            version: socketVersion,
            answer: "check",
            ok: false,
            health: "down",
            reason: `the mapper cannot be asked: ${path} is for root, and for the user and group of the service`
          })
      )
    )
    const retried = Effect.retry(ask, { schedule: Schedule.spaced("200 millis") })
    // At its time limit the service reports why there is no answer.
    return yield* Effect.timeoutOrElse(retried, {
      duration: withinMs + graceMs,
      orElse: () => Effect.succeed(undefined)
    })
  }).pipe(Effect.catch(() => Effect.succeed(undefined)))

const graceMs = 2_000
