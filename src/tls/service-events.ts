/**
 * Events of a token behind tedge-p11-server, derived from its responses: the service sends none itself.
 */
import type { CryptokiEvent } from "../messages/cryptoki.ts"
import { TokenError } from "./token-error.ts"
import type { TokenPort } from "./token-port.ts"

export const watchedService = (actors: TokenPort, tell: (event: CryptokiEvent) => void): TokenPort => {
  let isGone = false
  const back = () => {
    if (isGone) tell({ _tag: "TokenPlugged", token })
    isGone = false
  }
  const failed = (error: unknown) => {
    if (isGone || !(error instanceof TokenError && absences.includes(error.code))) return
    isGone = true
    tell({ _tag: "TokenGone", token, reason: error.code })
  }
  return {
    ...actors,
    ask: async (tag, payload, options) => {
      const slow =
        tag === "Sign"
          ? setTimeout(() => tell({ _tag: "TokenWaits", token, forMs: slowAfterMs }), slowAfterMs)
          : undefined
      try {
        const answer = await actors.ask(tag, payload, options)
        back()
        return answer
      } catch (error) {
        failed(error)
        throw error
      } finally {
        clearTimeout(slow)
      }
    }
  }
}

const absences: ReadonlyArray<string> = ["ERR_SERVICE_UNREACHABLE", "ERR_TOKEN_NOT_FOUND", "ERR_TOKEN_UNAVAILABLE"]

/** The protocol does not name it. */
const token = "tedge-p11-server"

/** As of a local token. */
const slowAfterMs = 2000
