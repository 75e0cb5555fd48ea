/** A token host whose looks at a token are given the time that this token was seen to need. */
import { Effect } from "effect"
import { monotonicMs } from "../../runtime/monotonic-time.ts"
import { type CallPatience, callPatience } from "./call-patience.ts"
import type { TokenHost } from "./host-client.ts"
import type { HostRequestName } from "./host-protocol.ts"
import type { StartHost } from "./hosts.ts"

/** What is known is kept across the hosts of one module. */
export const patient = (start: StartHost): StartHost => {
  const wrapped = patientHosts()
  return (settings) => Effect.map(start(settings), wrapped)
}

const patientHosts = (): ((host: TokenHost) => TokenHost) => {
  const known = new Map<string, CallPatience>()
  const patienceOf = (name: HostRequestName, slot: string, leastMs: number): CallPatience => {
    const place = `${name} ${slot}`
    const patience = known.get(place) ?? callPatience(leastMs)
    if (known.size >= mostKnown) known.clear()
    known.set(place, patience)
    return patience
  }
  return (host) => ({
    library: host.library,
    isIdle: host.isIdle,
    call: (name, asked, leastMs) => {
      if (!looks.has(name)) return host.call(name, asked, leastMs)
      const patience = patienceOf(name, "slot" in asked ? asked.slot : "", leastMs)
      return Effect.clockWith((clock) => {
        const limitMs = patience.limitMs()
        const startedMs = monotonicMs(clock)
        return host.call(name, asked, limitMs).pipe(
          Effect.tap(() => Effect.sync(() => patience.answered(monotonicMs(clock) - startedMs))),
          Effect.tapError(({ _tag }) =>
            Effect.sync(() => {
              if (_tag === "CallTimedOut") patience.ranOut(limitMs)
            })
          )
        )
      })
    }
  })
}

/** Calls that change nothing and wait for nobody: only the token's own pace decides how long they take. */
const looks: ReadonlySet<HostRequestName> = new Set([
  "tokens",
  "open",
  "close",
  "objects",
  "exists",
  "hasCertificate",
  "certificates",
  "check",
  "material"
])

/** Slots come and go with readers. */
const mostKnown = 512
