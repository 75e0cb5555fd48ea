/** The line that `systemctl status` shows: every token that was seen, and how it is. */
import type { CryptokiEvent } from "../../messages/cryptoki.ts"

export interface TokenStatus {
  readonly seen: (tokens: ReadonlyArray<string>) => void
  /** True when the line changed. */
  readonly note: (event: CryptokiEvent) => boolean
  readonly line: () => string
}

export const tokenStatus = (): TokenStatus => {
  const states = new Map<string, string>()
  return {
    seen: (tokens) => {
      for (const token of tokens) if (!states.has(token)) states.set(token, "there")
    },
    note: (event) => {
      const state = stateAfter(event)
      if (state === undefined || !("token" in event) || states.get(event.token) === state) return false
      states.set(event.token, state)
      return true
    },
    line: () =>
      states.size === 0 ? "no token" : [...states].map(([token, state]) => `token '${token}': ${state}`).join("; ")
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
