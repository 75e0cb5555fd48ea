/** From what a host reports to what a token refuses with. */
import { type TokenFamily, tokenFamily } from "../../../messages/token-family.ts"
import {
  TokenError,
  TokenHostDied,
  type TokenRefusal,
  TokenTimeout,
  TokenUnavailable
} from "../../../messages/token-refusals.ts"
import { codeName, faultClass } from "../pkcs11/return-codes.ts"
import { type Token, tokenName } from "../pkcs11/token-facts.ts"
import type { StartFault } from "./faults.ts"

export const refusalOn = (fault: StartFault, token: Token): TokenRefusal =>
  refusalOf(fault, tokenName(token), tokenFamily(token.facts))

/** `token`: its name for people. `family`: where it is known, for a hint of its own. */
export const refusalOf = (fault: StartFault, token: string, family?: TokenFamily): TokenRefusal => {
  switch (fault._tag) {
    case "ModuleNotLoaded":
    case "HostNotStarted":
      return fault
    case "HostEnded":
      return new TokenUnavailable({ token, call: undefined, code: undefined, detail: "" })
    case "CallTimedOut":
      return new TokenTimeout({
        token,
        call: fault.call,
        afterMs: fault.afterMs,
        detail: fault.detail,
        ...(family && { family })
      })
    case "HostDied":
      return new TokenHostDied({ token, call: fault.call, signal: fault.signal, detail: fault.detail })
    case "CallRefused": {
      const facts = { token, call: fault.call, code: codeName(fault.code), detail: fault.detail }
      return faultClass(fault.code) === "device"
        ? new TokenUnavailable({ ...facts, ...(family && { family }) })
        : new TokenError(facts)
    }
  }
}
