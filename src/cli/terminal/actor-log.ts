/**
 * Log lines about actors: of the supervisors (an actor failed, was restarted, or reached its restart limit), of events of
 * CryptokiActor, and of calls of the PKCS#11 module.
 *
 * The stack of a bug is logged at debug level.
 */
import { Cause, Context, Effect, References } from "effect"
import { codeName } from "../../actors/cryptoki/pkcs11/return-codes.ts"
import type { CryptokiSettings } from "../../actors/cryptoki/settings.ts"
import type { LogText } from "../../messages/explain/cryptoki-event.ts"
import { type RuntimeEvent, RuntimeEvents } from "../../runtime/events.ts"
import { reasonOf, traceOf } from "../../runtime/reason.ts"

export const withActorLog = <A, E, R>(run: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.contextWith((context) => {
    const fork = Effect.runForkWith(context)
    const sink = {
      publish: (event: RuntimeEvent) => void fork(logEvent(event)),
      slowAfterMs: 30_000
    }
    return Effect.provideService(run, RuntimeEvents, sink)
  })

/** Reports the state of the actors that `run` starts, besides the log. */
export const withActorEvents = <A, E, R>(
  run: Effect.Effect<A, E, R>,
  tell: (event: RuntimeEvent) => Effect.Effect<void>
): Effect.Effect<A, E, R> =>
  Effect.contextWith((context) => {
    const sink = Context.get(context, RuntimeEvents)
    const fork = Effect.runForkWith(context)
    const publish = (event: RuntimeEvent) => {
      sink.publish(event)
      fork(tell(event))
    }
    return Effect.provideService(run, RuntimeEvents, { ...sink, publish })
  })

/** A refused `start` is logged once, by the caller; later failures and defects are logged as usual. */
export const refusalsLoggedByCaller = <A, E, R>(start: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.contextWith((context) => {
    const sink = Context.get(context, RuntimeEvents)
    let isStarted = false
    const publish = (event: RuntimeEvent) => {
      const isReported = !isStarted && event._tag === "Failed" && !Cause.hasDies(event.cause)
      if (!isReported) sink.publish(event)
    }
    const started = Effect.tap(start, () =>
      Effect.sync(() => {
        isStarted = true
      })
    )
    return Effect.provideService(started, RuntimeEvents, { ...sink, publish })
  })

const logEvent = (event: RuntimeEvent): Effect.Effect<void> => {
  switch (event._tag) {
    case "Failed":
      return Effect.andThen(
        Effect.logError(`${event.actor} failed: ${reasonOf(event.cause)}`),
        Effect.logDebug(`${event.actor}: ${traceOf(event.cause)}`)
      )
    case "Restarting":
      return Effect.logWarning(`${event.actor} restarts in ${Math.round(event.afterMs)} ms`)
    case "GaveUp":
      return Effect.logError(
        `${event.actor}: restart limit reached, ${event.againAfterMs === undefined ? "giving up" : `next try in ${Math.round(event.againAfterMs / 1000)} s`}: ${reasonOf(event.cause)}`
      )
    case "Slow":
      return Effect.logWarning(
        event.stage === "done"
          ? `${event.actor} took ${Math.round(event.tookMs)} ms for ${event.message}`
          : `${event.actor} has been handling ${event.message} for ${Math.round(event.tookMs)} ms`
      )
    case "DeadLetter":
      return Effect.logDebug(`${event.actor}: ${event.message} was lost: ${event.why}`)
    case "Started":
    case "Ready":
    case "Stopped":
      return Effect.logDebug(`${event.actor}: ${event._tag.toLowerCase()}`)
  }
}

/** A log line worded by messages/explain. */
export const logText = ({ level, text }: LogText): Effect.Effect<void> =>
  (
    ({
      warn: Effect.logWarning,
      info: Effect.logInfo,
      debug: Effect.logDebug
    }) as const
  )[level](text)

/** `--debug`: one line per call of the PKCS#11 module, with its duration and return code, never with data. Undefined: below the log level. */
export const callLog: Effect.Effect<CryptokiSettings["onCall"]> = Effect.gen(function* () {
  const level = yield* References.MinimumLogLevel
  if (!["All", "Trace", "Debug"].includes(level)) return undefined
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  return ({ name, tookMs, code }) => {
    const outcome = code === undefined ? "failed" : code === 0 ? "CKR_OK" : codeName(code)
    fork(Effect.annotateLogs(Effect.logDebug(`${name} ${outcome} ${tookMs.toFixed(1)} ms`), { target: "pkcs11" }))
  }
})
