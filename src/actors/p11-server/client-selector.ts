/**
 * What a client's URI and PIN mean inside the service's scope.
 *
 * The module and the source of a PIN are the service's own business: a client that could name them could make it load
 * a library or read a file.
 */
import { Effect, type Redacted, Result } from "effect"
import type { KeySelector } from "../../messages/cryptoki.ts"
import { type InvalidPkcs11Uri, type Pkcs11Uri, parsePkcs11Uri, printPkcs11Uri } from "../../messages/pkcs11-uri.ts"
import { mergeScope } from "../../messages/pkcs11-uri-scope.ts"
import { OutsideScope } from "../../messages/token-refusals.ts"

export interface ClientSelector {
  readonly selector: KeySelector & { readonly uri: Pkcs11Uri }
  /** Names of attributes that were left out. */
  readonly ignored: ReadonlyArray<string>
}

/** `reads`: the scope wins silently, as documented. `changes`: a URI that disagrees with it is refused. */
export type Purpose = "reads" | "changes"

/** `rule` narrows further for one client; where it and the service's scope disagree, nothing is left to reach. */
export interface Scopes {
  readonly service: Pkcs11Uri | undefined
  readonly rule: Pkcs11Uri | undefined
}

export const clientSelector = (
  text: string | undefined,
  pin: Redacted.Redacted<string> | undefined,
  scopes: Scopes,
  purpose: Purpose
): Effect.Effect<ClientSelector, InvalidPkcs11Uri | OutsideScope> =>
  Effect.suspend((): Effect.Effect<ClientSelector, InvalidPkcs11Uri | OutsideScope> => {
    const parsed = parsePkcs11Uri(text ?? "pkcs11:")
    if (Result.isFailure(parsed)) return Effect.fail(parsed.failure)
    const { moduleName, modulePath, pinSource, ...client } = parsed.success
    const scope = mergeScope(scopes.service, scopes.rule ?? {})
    const { uri, conflicts } = mergeScope(scope.uri, client)
    if (scope.conflicts.length > 0 || (purpose === "changes" && conflicts.length > 0))
      return Effect.fail(new OutsideScope({ uri: shown(client), scope: shown(scope.uri) }))
    const unused = { "module-name": moduleName, "module-path": modulePath, "pin-source": pinSource }
    const ignored = Object.entries(unused).flatMap(([name, value]) => (value === undefined ? [] : [name]))
    return Effect.succeed({ selector: { uri, ...(pin === undefined ? {} : { pin }) }, ignored })
  })

const shown = (uri: Pkcs11Uri): string => printPkcs11Uri(uri, { pin: "redacted" })
