/** How a call of a token host, or its start, fails. */
import { Data } from "effect"
import type { HostNotStarted, ModuleNotLoaded } from "../../../messages/token-refusals.ts"
import type { HostRequestName } from "./protocol.ts"

/** A PKCS#11 function answered with a code. */
export class CallRefused extends Data.TaggedError("CallRefused")<{
  /** `C_Sign` and the like. */
  readonly call: string
  readonly code: number
  /** What the module printed. */
  readonly detail: string
}> {}

/** The call took longer than it may; the host was killed. */
export class CallTimedOut extends Data.TaggedError("CallTimedOut")<{
  readonly call: HostRequestName
  readonly afterMs: number
  /** What the module printed. */
  readonly detail: string
}> {}

/** The host ended before it answered. */
export class HostDied extends Data.TaggedError("HostDied")<{
  readonly call: HostRequestName
  readonly signal: string | undefined
  readonly detail: string
  /** It was killed because another call hung; this one may have been fine. */
  readonly forAnother?: boolean
}> {}

/** The service had ended the host before the call was made: nothing was done. */
export class HostEnded extends Data.TaggedError("HostEnded")<{ readonly call: HostRequestName }> {}

export type HostFault = CallRefused | CallTimedOut | HostDied | HostEnded

/** Why there is no host. */
export type StartFault = ModuleNotLoaded | HostNotStarted | HostFault

export const isHostFault = (failure: { readonly _tag: string }): failure is HostFault =>
  failure._tag === "CallRefused" ||
  failure._tag === "CallTimedOut" ||
  failure._tag === "HostDied" ||
  failure._tag === "HostEnded"
