/** Retries the enrolment until the device is registered in the cloud, or waiting cannot help. */
import { Duration, Effect } from "effect"
import {
  type EnrolmentResponseInvalid,
  EnrolmentTimedOut,
  type HttpRefused,
  type HttpUnreachable,
  isDistrust
} from "../../../messages/certificate.ts"
import { monotonicNow } from "../../../runtime/primitives/monotonic-time.ts"
import { whileWaiting } from "../../terminal/progress.ts"
import type { CommandContext } from "../hsm/token-command.ts"
import { type CloudHttp, enrol, type Login } from "./cumulocity-http.ts"

export interface RetryLimits {
  readonly everyMs: number
  readonly limitMs: number
}

interface Enrolment {
  readonly http: CloudHttp
  readonly request: string
  readonly login: Login
}

type Refused = HttpRefused | HttpUnreachable | EnrolmentResponseInvalid | EnrolmentTimedOut

export const enrolWithRetries = (
  { terminal }: CommandContext,
  { http, request, login }: Enrolment,
  { everyMs, limitMs }: RetryLimits
): Effect.Effect<ReadonlyArray<string>, Refused> =>
  Effect.gen(function* () {
    const until = (yield* monotonicNow) + limitMs
    const enrolInTime = Effect.flatMap(monotonicNow, (now) =>
      enrol(http, request, login, Math.max(shortestTryMs, until - now))
    )
    const once: Effect.Effect<ReadonlyArray<string>, Refused> = Effect.catchIf(enrolInTime, isTemporary, (failure) =>
      Effect.gen(function* () {
        yield* isNotRegistered(failure)
          ? terminal.line(
              `The device '${login.user}' is not registered yet with this one-time password at ${http.origin}`
            )
          : terminal.failure(failure)
        if ((yield* monotonicNow) + everyMs > until)
          return yield* new EnrolmentTimedOut({ url: http.origin, afterMs: limitMs })
        yield* terminal.line(`Will retry in ${Math.round(everyMs / 1000)} seconds`)
        yield* Effect.sleep(Duration.millis(everyMs))
        return yield* once
      })
    )
    const title = `waiting until '${login.user}' is registered at ${http.origin}`
    return yield* whileWaiting(terminal, { title, limitMs }, once)
  })

/** One attempt is made even if the time is over. */
const shortestTryMs = 1000

const isNotRegistered = (failure: HttpRefused | HttpUnreachable): boolean =>
  failure._tag === "HttpRefused" && [401, 403, 404].includes(failure.status)

/** Not registered yet, too busy, or unreachable: retry. Other errors are final. */
const isTemporary = (failure: Refused): failure is HttpRefused | HttpUnreachable => {
  switch (failure._tag) {
    case "HttpUnreachable":
      // A proxy that requires another login, or denies the host, will not change its mind.
      if (failure.proxy !== undefined) return !isDistrust(failure) && !failure.code.startsWith("4")
      // A device's clock may be set late; an untrusted CA stays untrusted.
      return failure.code === "CERT_NOT_YET_VALID" || !isDistrust(failure)
    case "HttpRefused":
      return isNotRegistered(failure) || failure.status === 408 || failure.status === 429 || failure.status >= 500
    default:
      return false
  }
}
