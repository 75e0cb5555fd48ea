/** The token a PIN latch is for. */
import type { TokenFamily } from "../../../messages/token-family.ts"
import { PinRejected } from "../../../messages/token-refusals.ts"

/** `identity` names the files, `name` and `uri` are for display. */
export interface LatchedToken {
  readonly identity: string
  readonly name: string
  readonly uri: string
  readonly family?: TokenFamily
  /** SoftHSM2. */
  readonly neverLocks?: boolean
  /** It sets CKF_USER_PIN_COUNT_LOW after a wrong PIN. */
  readonly showsFlags?: boolean
  /** The latch of the security officer's PIN. */
  readonly isSo?: boolean
}

/** The SO PIN has its own attempts and latch. */
export const ofSecurityOfficer = (token: LatchedToken): LatchedToken => ({
  ...token,
  identity: `so ${token.identity}`,
  isSo: true
})

/** `isTyped`: the PIN is the old one of a change. */
export const rejected = (
  { name, isSo, family }: LatchedToken,
  reason: PinRejected["reason"],
  more: { readonly isTyped?: boolean | undefined; readonly detail?: string | undefined } = {}
): PinRejected =>
  new PinRejected({
    token: name,
    reason,
    ...(family !== undefined && family !== "other" && { family }),
    ...(more.detail !== undefined && { detail: more.detail }),
    ...(isSo ? { pin: "so" as const } : more.isTyped ? { pin: "current" as const } : {})
  })
