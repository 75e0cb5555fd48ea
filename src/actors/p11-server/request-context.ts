/** What every answer needs: whom to ask, what this client may reach, and for how long to wait. */
import { Effect, type Redacted } from "effect"
import type { CryptokiProtocol } from "../../messages/cryptoki.ts"
import type { P11ServerPolicy } from "../../messages/p11-server.ts"
import type { Frame, FrameTag } from "../../messages/wire/frame1.ts"
import type { ActorRef } from "../../runtime/protocol.ts"
import type { Access } from "./access.ts"
import { type ClientSelector, clientSelector, type Purpose } from "./client-selector.ts"
import type { RequestFailure } from "./frame-errors.ts"

/** What an answer needs to know. */
export interface RequestContext {
  readonly cryptoki: ActorRef<CryptokiProtocol>
  readonly policy: P11ServerPolicy
  readonly access: Access
  readonly onIgnored: (attribute: string) => Effect.Effect<void>
}

export type Answer = Effect.Effect<Frame, RequestFailure>

/** The fields of a frame. */
export type Fields<Tag extends FrameTag> = Omit<Extract<Frame, { readonly _tag: Tag }>, "_tag">

/** The URI and PIN of a request, inside what this client may reach. */
export const selected = (
  { policy, access, onIgnored }: RequestContext,
  { uri, pin }: { readonly uri: string | undefined; readonly pin?: Redacted.Redacted<string> | undefined },
  purpose: Purpose
): Effect.Effect<ClientSelector["selector"], RequestFailure> =>
  clientSelector(uri, pin, { service: policy.scope, rule: access.scope }, purpose).pipe(
    Effect.tap(({ ignored }) => Effect.forEach(ignored, onIgnored)),
    Effect.map(({ selector }) => selector)
  )

/** How long CryptokiActor may take. The limits of its own calls come earlier, and say more. */
export const within = {
  list: "55 seconds",
  sign: "95 seconds",
  change: "170 seconds",
  generate: "650 seconds"
} as const
