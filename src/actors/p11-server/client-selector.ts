/**
 * What a client's URI and PIN mean inside the service's scope.
 *
 * The module and the source of a PIN are the service's own business: a client that could name them could make it load
 * a library or read a file.
 */
import { Effect, type Redacted, Result } from "effect"
import type { KeySelector } from "../../messages/cryptoki.ts"
import { type InvalidPkcs11Uri, type Pkcs11Uri, parsePkcs11Uri, shownUri } from "../../messages/pkcs11-uri.ts"
import { mergeScope } from "../../messages/pkcs11-uri-scope.ts"
import { OutsideScope } from "../../messages/token-refusals.ts"

export interface ClientSelector {
  readonly selector: KeySelector & { readonly uri: Pkcs11Uri }
  /** Names of attributes that were left out. */
  readonly ignored: ReadonlyArray<string>
}

/**
 * `reads`: the scope wins silently, as documented. `signs`: the same, and a `type` does not count, as only a private key
 * can be meant: tools print `type=public` of keys they saw without a login. `changes`: a URI that disagrees with the
 * scope is refused.
 */
export type Purpose = "reads" | "signs" | "changes"

/** `rule` narrows further for one client; where it and the service's scope disagree, nothing is left to reach. */
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
  Effect.suspend(() => Effect.map(Effect.fromResult(meantBy(text, scopes, purpose)), (meant) => withPin(meant, pin)))

/**
 * What URIs meant before: clients ask with few of them, again and again. Only for what `reads`.
 *
 * One with a PIN in it is not remembered, and neither is a refusal. A policy that is replaced brings scopes of its own.
 */
export class SelectorCache {
  private readonly known = new Map<string, { readonly scopes: Scopes; readonly meant: ClientSelector }>()

  select(
    text: string | undefined,
    pin: Redacted.Redacted<string> | undefined,
    scopes: Scopes,
    purpose: "reads" | "signs" = "reads"
  ): Effect.Effect<ClientSelector, SelectorRefusal> {
    const asked = `${purpose} ${text ?? ""}`
    const before = this.known.get(asked)
    if (before && before.scopes.service === scopes.service && before.scopes.rule === scopes.rule)
      return Effect.succeed(withPin(before.meant, pin))
    return Effect.map(clientSelector(text, undefined, scopes, purpose), (meant) => {
      this.remember(asked, scopes, meant)
      return withPin(meant, pin)
    })
  }

  private remember(asked: string, scopes: Scopes, meant: ClientSelector): void {
    if (meant.selector.uri.pinValue !== undefined) return
    if (this.known.size >= mostKnown) this.known.clear()
    this.known.set(asked, { scopes, meant })
  }
}

/** Bounds what clients with many URIs can make us remember. */
const mostKnown = 256

const meantBy = (
  text: string | undefined,
  scopes: Scopes,
  purpose: Purpose
): Result.Result<ClientSelector, SelectorRefusal> => {
  const parsed = parsePkcs11Uri(text ?? "pkcs11:")
  if (Result.isFailure(parsed)) return Result.fail(parsed.failure)
  const { moduleName, modulePath, pinSource, ...named } = parsed.success
  const isStrange = purpose === "signs" && named.type !== undefined && named.type !== "private"
  const client = purpose === "signs" ? withoutType(named) : named
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

const withPin = (meant: ClientSelector, pin: Redacted.Redacted<string> | undefined): ClientSelector =>
  pin === undefined ? meant : { ...meant, selector: { ...meant.selector, pin } }
