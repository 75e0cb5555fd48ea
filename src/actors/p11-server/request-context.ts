/** What every answer needs: whom to ask, what this client may reach, and for how long to wait. */
import { Effect, type Redacted, type Semaphore } from "effect"
import type { CryptokiProtocol, SigningTimes } from "../../messages/cryptoki.ts"
import type { P11ServerPolicy } from "../../messages/p11-server.ts"
import { type Pkcs11Uri, shownUri } from "../../messages/pkcs11-uri.ts"
import { mergeScope } from "../../messages/pkcs11-uri-scope.ts"
import { OutsideScope } from "../../messages/token-refusals.ts"
import type { Frame, FrameTag } from "../../messages/wire/frame1.ts"
import type { ActorRef } from "../../runtime/protocol.ts"
import type { Access } from "./access.ts"
import { type ClientSelector, clientSelector, type Purpose, type SelectorCache } from "./client-selector.ts"
import type { RequestFailure } from "./frame-errors.ts"

/** What an answer needs to know. */
export interface RequestContext {
  readonly cryptoki: ActorRef<CryptokiProtocol>
  readonly policy: P11ServerPolicy
  readonly access: Access
  readonly selectors: SelectorCache
  readonly onIgnored: (attribute: string) => Effect.Effect<void>
  /** One token is initialised at a time. */
  readonly initialising: Semaphore.Semaphore
}

export type Answer = Effect.Effect<Frame, RequestFailure>

/** An answer, and the key that was used for it where that is known. */
export interface Answered {
  readonly frame: Frame
  readonly key?: Pkcs11Uri | undefined
  /** Of a signature. */
  readonly times?: SigningTimes | undefined
}

/** The fields of a frame. */
export type Fields<Tag extends FrameTag> = Omit<Extract<Frame, { readonly _tag: Tag }>, "_tag">

/** The URI and PIN of a request, inside what this client may reach. */
export const selected = (
  { policy, access, selectors, onIgnored }: RequestContext,
  { uri, pin }: { readonly uri: string | undefined; readonly pin?: Redacted.Redacted<string> | undefined },
  purpose: Purpose
): Effect.Effect<ClientSelector["selector"], RequestFailure> => {
  const scopes = { service: policy.scope, rule: access.scope }
  const found =
    purpose === "changes" ? clientSelector(uri, pin, scopes, purpose) : selectors.select(uri, pin, scopes, purpose)
  return Effect.flatMap(found, ({ selector, ignored }) => {
    const given = givenBy(access, selector)
    return ignored.length === 0 ? Effect.succeed(given) : Effect.as(Effect.forEach(ignored, onIgnored), given)
  })
}

/** A PIN that a client gave is not the service's own: its wrong ones are counted against the client. */
const givenBy = ({ countedAs }: Access, selector: ClientSelector["selector"]): ClientSelector["selector"] =>
  countedAs === undefined || (selector.pin ?? selector.uri.pinValue) === undefined
    ? selector
    : { ...selector, client: countedAs }

/** Refuses to make what this client could not reach afterwards: `made` says how it will be named. */
export const refuseOutside = (
  { policy, access }: RequestContext,
  made: Pkcs11Uri
): Effect.Effect<void, OutsideScope> => {
  const scope = mergeScope(policy.scope, access.scope ?? {}).uri
  return mergeScope(scope, made).conflicts.length === 0
    ? Effect.void
    : Effect.fail(new OutsideScope({ uri: shownUri(made), scope: shownUri(scope) }))
}

/** How long CryptokiActor may take. The limits of its own calls come earlier, and say more. */
export const within = {
  list: "55 seconds",
  sign: "95 seconds",
  change: "170 seconds",
  generate: "650 seconds"
} as const
