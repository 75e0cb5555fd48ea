/** Rate limit for log lines that clients can cause; suppressed lines are counted. */
import { Duration, Effect, type Scope } from "effect"
import type { LogLimit } from "../../../actors/p11-server/log-limit.ts"
import type { CryptokiEvent } from "../../../messages/cryptoki.ts"
import { explainServerEvent } from "../../../messages/explain/p11-server.ts"
import type { Client, P11ServerEvent } from "../../../messages/p11-server.ts"
import { logText } from "../../terminal/actor-log.ts"

/** Lines of one kind share a limit. Undefined: never suppressed. */
export const limitedKind = (event: P11ServerEvent): string | undefined => {
  switch (event._tag) {
    case "RequestServed":
      return undefined
    case "RequestRefused":
      return event.isAudited ? undefined : `refused ${event.operation ?? "requests"} ${userOf(event.client)}`
    case "ClientAborted":
      return `connections aborted (${event.reason}) ${userOf(event.client)}`
    case "ClientAttributeIgnored":
      return `ignored attributes of URIs ${userOf(event.client)}`
    case "AcceptFailed":
      return "clients not accepted"
    case "LinesLeftOut":
    case "StaleSocketRemoved":
      return undefined
  }
}

/** As `limitedKind`: repeated for each URI that a client invents. */
export const limitedTokenKinds: Readonly<Partial<Record<CryptokiEvent["_tag"], string>>> = {
  SeveralTokensMatched: "several tokens match a URI",
  SeveralKeysMatched: "several keys match a URI"
}

/** Logs the number of suppressed lines at the end of each period, and of the service. */
export const logLeftOut = (lines: LogLimit): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const inMs = Duration.toMillis(period)
    const tell = Effect.suspend(() =>
      Effect.forEach(
        lines.endPeriod(),
        (leftOut) => logText(explainServerEvent({ _tag: "LinesLeftOut", ...leftOut, inMs })),
        { discard: true }
      )
    )
    yield* Effect.addFinalizer(() => tell)
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(period), tell)))
  })

const userOf = ({ uid }: Client): string => `uid=${uid ?? "unknown"}`

const period = Duration.minutes(1)
