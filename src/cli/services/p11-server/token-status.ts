/** The line that `systemctl status` shows: every token seen so far, and its state. */
import { dateText } from "../../../actors/health/payloads.ts"
import type { CryptokiEvent } from "../../../messages/cryptoki.ts"
import { explainParked } from "../../../messages/explain/bridge-state.ts"
import type { RuntimeEvent } from "../../../runtime/events.ts"
import { ParkedActors } from "../parked-actors.ts"

export interface TokenStatus {
  readonly seen: (tokens: ReadonlyArray<string>) => void
  /** True if the line changed. */
  readonly note: (event: CryptokiEvent) => boolean
  /** As `note`, for the actors' state; `at`: milliseconds since 1970. */
  readonly noteActor: (event: RuntimeEvent) => boolean
  readonly line: () => string
}

export const tokenStatus = (): TokenStatus => {
  const states = new Map<string, string>()
  const parked = new ParkedActors()
  return {
    noteActor: (event) => parked.note(event),
    seen: (tokens) => {
      for (const token of tokens) if (!states.has(token)) states.set(token, "there")
    },
    note: (event) => {
      const state = stateAfter(event)
      if (state === undefined || !("token" in event) || states.get(event.token) === state) return false
      states.set(event.token, state)
      return true
    },
    line: () => {
      const tokens = [...states].map(([token, state]) => `token '${token}': ${state}`)
      const parts = parked.list.map((one) => explainParked(one, dateText))
      return [...parts, ...(tokens.length === 0 ? ["no token"] : tokens)].join("; ")
    }
  }
}

const stateAfter = (event: CryptokiEvent): string | undefined => {
  switch (event._tag) {
    case "TokenPlugged":
      return "there"
    case "TokenGone":
      return "gone"
    case "PinLatched":
      return "PIN refused"
    case "TokenWaits":
      return "signing, or waiting for a touch"
    default:
      return undefined
  }
}
