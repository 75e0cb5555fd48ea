/** The faults of a call of a token host, or of its start, and the refusals they become. */
import { Data } from "effect"
import { type TokenFamily, tokenFamily } from "../../../messages/token-family.ts"
import {
  type HostNotStarted,
  type ModuleNotLoaded,
  TokenError,
  TokenHostDied,
  type TokenRefusal,
  TokenTimeout,
  TokenUnavailable
} from "../../../messages/token-refusals.ts"
import { codeName, faultClass } from "../pkcs11/return-codes.ts"
import { type Token, tokenName } from "../pkcs11/token-facts.ts"
import type { HostRequestName } from "./protocol.ts"

/** A PKCS#11 function returned an error code. */
export class CallRefused extends Data.TaggedError("CallRefused")<{
  /** `C_Sign` and the like. */
  readonly call: string
  readonly code: number
  /** Output of the module. */
  readonly detail: string
}> {}

/** The call exceeded its time limit; the host was killed. */
export class CallTimedOut extends Data.TaggedError("CallTimedOut")<{
  readonly call: HostRequestName
  readonly afterMs: number
  /** Output of the module. */
  readonly detail: string
}> {}

/** The host exited before it responded. */
export class HostDied extends Data.TaggedError("HostDied")<{
  readonly call: HostRequestName
  readonly signal: string | undefined
  readonly detail: string
  /** It was killed because another call hung; this one may have been fine. */
  readonly forAnother?: boolean
}> {}

/** The service had stopped the host before the call was made: nothing was done. */
export class HostEnded extends Data.TaggedError("HostEnded")<{ readonly call: HostRequestName }> {}

export type HostFault = CallRefused | CallTimedOut | HostDied | HostEnded

/** Why there is no host. */
export type StartFault = ModuleNotLoaded | HostNotStarted | HostFault

export const isHostFault = (failure: { readonly _tag: string }): failure is HostFault =>
  failure._tag === "CallRefused" ||
  failure._tag === "CallTimedOut" ||
  failure._tag === "HostDied" ||
  failure._tag === "HostEnded"

export const refusalOn = (fault: StartFault, token: Token): TokenRefusal =>
  refusalOf(fault, tokenName(token), tokenFamily(token.facts))

/** `token`: its name for display. `family`: if known, for a specific hint. */
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
