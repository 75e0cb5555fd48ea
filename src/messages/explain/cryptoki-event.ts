/** Log lines for events of CryptokiActor. Source: hsm-support, "Key selection" (the warning's words). */
import type { CryptokiEvent } from "../cryptoki.ts"
import { quoted, seconds } from "./explanation.ts"

export interface LogText {
  readonly level: "warn" | "info" | "debug"
  readonly text: string
}

export const explainCryptokiEvent = (event: CryptokiEvent): LogText => {
  switch (event._tag) {
    case "SeveralKeysMatched":
      return {
        level: "warn",
        text: `Multiple keys were found. If the wrong one was chosen, please use a URI that uniquely identifies a key. (chosen: ${event.taken})`
      }
    case "SeveralTokensMatched":
      return {
        level: "warn",
        text: `Multiple tokens were found. If the wrong one was chosen, please use a URI that uniquely identifies a token. (chosen: ${event.taken})`
      }
    case "DefaultPinTried":
      return {
        level: "warn",
        text: `no PIN is configured: trying the setup guide's PIN on token '${event.token}'; set yours: tedge config set device.cryptoki.pin <PIN>`
      }
    case "PinLatched":
      return event.isLocked
        ? { level: "warn", text: `the user PIN of token '${event.token}' is locked` }
        : { level: "warn", text: `token '${event.token}' refused its PIN: it will not be tried again` }
    case "LoginUnanswered":
      return {
        level: "warn",
        text: `token '${event.token}': a login had an unknown outcome: ${quoted(event.detail)}; ${event.retryInMs === undefined ? "no further login until its PIN is set again, or: tedge hsm clear-pin-latch" : `the next is made in ${seconds(event.retryInMs)}`}`
      }
    case "ClientPinsPaused":
      return {
        level: "warn",
        text: `user ${event.client} gave too many wrong PINs for token '${event.token}': its PINs are not checked for ${seconds(event.forMs)}; root ends this with: tedge hsm clear-pin-latch`
      }
    case "LatchNotKept":
      return {
        level: "warn",
        text: `refused PINs cannot be recorded in '${event.directory}' (${event.code}): each process that starts tries a wrong PIN once, which may lock the token; make that directory writable by this user, or set run.path`
      }
    case "TokenGone":
      return { level: "warn", text: `token '${event.token}' is unavailable; tedge resumes when it is back` }
    case "TokenPlugged":
      return { level: "info", text: `token '${event.token}' is available` }
    case "TokenWaits":
      return { level: "info", text: `token '${event.token}' has been signing for ${seconds(event.forMs)}` }
    case "TokenNearlyFull":
      return {
        level: "warn",
        text: `token '${event.token}' holds ${event.keys} key pairs, and OP-TEE's trusted application has memory for about 20: delete those that are no longer needed (tedge hsm list-keys, tedge hsm delete-key)`
      }
    case "HostReplaced":
      return { level: "debug", text: `the token host of '${event.token}' was replaced: ${quoted(event.reason)}` }
  }
}
