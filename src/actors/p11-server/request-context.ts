/**
 * Rights and scope of a client: the context of every response.
 *
 * Rights depend on the user and groups that the kernel reports for a connection. Every process that can open the socket may
 * list, sign and read public keys. Creating keys, and changing or erasing a token, requires root, the service's own user, or
 * a rule. Process ids are not used: they may be reused. The module and the source of a PIN are chosen by the service only: a
 * client that could name them could make it load a library or read a file.
 */
import { Duration, Effect, type Redacted, Result, type Semaphore } from "effect"
import type { ClientId, CryptokiProtocol, KeySelector, SigningTimes } from "../../messages/cryptoki.ts"
import {
  type AccessRule,
  allOperations,
  type Client,
  everybodysOperations,
  type P11ServerPolicy,
  type ServerOperation
} from "../../messages/p11-server.ts"
import { type InvalidPkcs11Uri, type Pkcs11Uri, parsePkcs11Uri, shownUri } from "../../messages/pkcs11-uri.ts"
import { mergeScope } from "../../messages/pkcs11-uri-scope.ts"
import { OutsideScope } from "../../messages/token-refusals.ts"
import type { Frame, FrameTag } from "../../messages/wire/frame1.ts"
import { BoundedMap } from "../../runtime/primitives/bounded-map.ts"
import type { ActorRef } from "../../runtime/protocol.ts"
import type { RequestFailure } from "./frame-errors.ts"

/** Context of a request. */
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

/** A response, and the key that was used for it, if known. */
export interface Answered {
  readonly frame: Frame
  readonly key?: Pkcs11Uri | undefined
  /** Of a signature. */
  readonly times?: SigningTimes | undefined
}

/** The fields of a frame. */
export type Fields<Tag extends FrameTag> = Omit<Extract<Frame, { readonly _tag: Tag }>, "_tag">

/** The URI and PIN of a request, within the client's scope. */
export const selected = (
  { policy, access, selectors, onIgnored }: RequestContext,
  { uri, pin }: { readonly uri: string | undefined; readonly pin?: Redacted.Redacted<string> | undefined },
  purpose: Purpose
): Effect.Effect<ClientSelector["selector"], RequestFailure> => {
  const scopes = { service: policy.scope, rule: access.scope }
  const found =
    purpose === "changes" ? clientSelector(uri, pin, scopes, purpose) : selectors.select(uri, pin, scopes, purpose)
  return Effect.flatMap(found, ({ selector, ignored }) => {
    // A PIN sent by a client is not the service's own: wrong ones are counted for the client.
    const { countedAs } = access
    const isCounted = countedAs !== undefined && (selector.pin ?? selector.uri.pinValue) !== undefined
    const given = isCounted ? { ...selector, client: countedAs } : selector
    return ignored.length === 0 ? Effect.succeed(given) : Effect.as(Effect.forEach(ignored, onIgnored), given)
  })
}

/** Refuses to create an object outside the client's scope: `made` has its future name. */
export const refuseOutside = (
  { policy, access }: RequestContext,
  made: Pkcs11Uri
): Effect.Effect<void, OutsideScope> => {
  const scope = mergeScope(policy.scope, access.scope ?? {}).uri
  return mergeScope(scope, made).conflicts.length === 0
    ? Effect.void
    : Effect.fail(new OutsideScope({ uri: shownUri(made), scope: shownUri(scope) }))
}

/** Time limit for CryptokiActor. The limits of its own calls are shorter, and more specific. */
export const within = {
  list: Duration.seconds(55),
  sign: Duration.seconds(95),
  change: Duration.seconds(170),
  generate: Duration.seconds(650)
}

interface Access {
  readonly uid: number | undefined
  /** Neither root nor the service's own user: its wrong PINs are counted. */
  readonly countedAs: ClientId | undefined
  /** The number of the effective rule, from 1. */
  readonly rule: number | undefined
  readonly operations: ReadonlyArray<ServerOperation>
  /** Root or the service's own user: rules do not apply. */
  readonly isUnlimited: boolean
  /** The scope of the rule. */
  readonly scope: Pkcs11Uri | undefined
}

/** `ownUid`: the user the service runs as. */
export const accessOf = (client: Client, rules: ReadonlyArray<AccessRule>, ownUid: number): Access => {
  const { uid } = client
  if (uid !== undefined && (uid === 0 || uid === ownUid))
    return {
      uid,
      countedAs: undefined,
      rule: undefined,
      isUnlimited: true,
      operations: allOperations,
      scope: undefined
    }
  const countedAs = client.ownerUid ?? uid ?? "unknown"
  const index = rules.findIndex((rule) => mayName(rule, client))
  const rule = rules[index]
  if (rule === undefined)
    return { uid, countedAs, rule: undefined, isUnlimited: false, operations: everybodysOperations, scope: undefined }
  // A client that may belong to a rule is restricted by it, and gets no more than the default.
  const operations = names(rule, client)
    ? rule.operations
    : rule.operations.filter((one) => everybodysOperations.includes(one))
  return { uid, countedAs, rule: index + 1, isUnlimited: false, operations, scope: rule.scope }
}

const names = ({ who }: AccessRule, { uid, gid, groups = [] }: Client): boolean =>
  "uid" in who ? who.uid === uid : who.gid === gid || groups.includes(who.gid)

/** As `names`, or it runs under a subordinate id of the user, or the kernel does not report its groups. */
const mayName = (rule: AccessRule, client: Client): boolean =>
  names(rule, client) || ("uid" in rule.who ? rule.who.uid === client.ownerUid : client.groups === undefined)

interface ClientSelector {
  readonly selector: KeySelector & { readonly uri: Pkcs11Uri }
  /** Names of ignored attributes. */
  readonly ignored: ReadonlyArray<string>
}

/**
 * `reads`: the scope wins silently, as documented. `signs`: the same, and `type` is ignored, as only a private key can sign:
 * tools print `type=public` for keys they saw without login. `tells`: the same for the public key, which either type may
 * select. `changes`: a URI that conflicts with the scope is refused.
 */
type Purpose = "reads" | "signs" | "tells" | "changes"

/** `rule` narrows further for one client; if it conflicts with the service's scope, nothing matches. */
interface Scopes {
  readonly service: Pkcs11Uri | undefined
  readonly rule: Pkcs11Uri | undefined
}

type SelectorRefusal = InvalidPkcs11Uri | OutsideScope

export const clientSelector = (
  text: string | undefined,
  pin: Redacted.Redacted<string> | undefined,
  scopes: Scopes,
  purpose: Purpose
): Effect.Effect<ClientSelector, SelectorRefusal> =>
  Effect.suspend(() =>
    Effect.map(Effect.fromResult(parsedWithin(text, scopes, purpose)), (parsed) => withPin(parsed, pin))
  )

/**
 * Cache of narrowed URIs: clients use few of them, repeatedly. Not for `changes`.
 *
 * URIs with a PIN, and refusals, are not cached. A replaced policy has its own cache.
 */
export class SelectorCache {
  private readonly known = new BoundedMap<string, { readonly scopes: Scopes; readonly parsed: ClientSelector }>(256)

  select(
    text: string | undefined,
    pin: Redacted.Redacted<string> | undefined,
    scopes: Scopes,
    purpose: Exclude<Purpose, "changes"> = "reads"
  ): Effect.Effect<ClientSelector, SelectorRefusal> {
    const asked = `${purpose} ${text ?? ""}`
    const before = this.known.get(asked)
    if (before && before.scopes.service === scopes.service && before.scopes.rule === scopes.rule)
      return Effect.succeed(withPin(before.parsed, pin))
    return Effect.map(clientSelector(text, undefined, scopes, purpose), (parsed) => {
      if (parsed.selector.uri.pinValue === undefined) this.known.set(asked, { scopes, parsed })
      return withPin(parsed, pin)
    })
  }
}

const parsedWithin = (
  text: string | undefined,
  scopes: Scopes,
  purpose: Purpose
): Result.Result<ClientSelector, SelectorRefusal> => {
  const parsed = parsePkcs11Uri(text ?? "pkcs11:")
  if (Result.isFailure(parsed)) return Result.fail(parsed.failure)
  const { moduleName, modulePath, pinSource, ...named } = parsed.success
  const counted = { signs: ["private"], tells: ["private", "public"], reads: undefined, changes: undefined }[purpose]
  const isStrange = named.type !== undefined && counted?.includes(named.type) === false
  const client = purpose === "signs" || isStrange ? withoutType(named) : named
  const scope = mergeScope(scopes.service, scopes.rule ?? {})
  const { uri, conflicts } = mergeScope(purpose === "signs" ? withoutType(scope.uri) : scope.uri, client)
  if (scope.conflicts.length > 0 || (purpose === "changes" && conflicts.length > 0))
    return Result.fail(new OutsideScope({ uri: shownUri(client), scope: shownUri(scope.uri) }))
  const unused = {
    "module-name": moduleName,
    "module-path": modulePath,
    "pin-source": pinSource,
    type: isStrange ? named.type : undefined
  }
  const ignored = Object.entries(unused).flatMap(([name, value]) => (value === undefined ? [] : [name]))
  return Result.succeed({ selector: { uri }, ignored })
}

const withoutType = ({ type: _type, ...uri }: Pkcs11Uri): Pkcs11Uri => uri

const withPin = (parsed: ClientSelector, pin: Redacted.Redacted<string> | undefined): ClientSelector =>
  pin === undefined ? parsed : { ...parsed, selector: { ...parsed.selector, pin } }
