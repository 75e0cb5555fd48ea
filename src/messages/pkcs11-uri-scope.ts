/**
 * Narrows the URI of a client by `device.cryptoki.uri`.
 *
 * The configured attributes win and the client only adds. The scope's query is ignored: its PIN is the provider's
 * default, which comes after a PIN of the client.
 * Source: thin-edge hsm-support, `device.cryptoki.uri`.
 */
import type { Pkcs11Uri } from "./pkcs11-uri.ts"
import { pathFields, sameAttribute } from "./pkcs11-uri-match.ts"

interface ScopedUri {
  readonly uri: Pkcs11Uri
  /** Attributes for which the client's value differs from the scope's; commands that change a token refuse these. */
  readonly conflicts: ReadonlyArray<string>
}

/** The scope's attributes, and those of the client that the scope lacks. */
export const mergeScope = (scope: Pkcs11Uri | undefined, client: Pkcs11Uri): ScopedUri => {
  if (scope === undefined) return { uri: client, conflicts: [] }
  const fixed = Object.fromEntries(
    pathFields.filter((field) => scope[field] !== undefined).map((field) => [field, scope[field]])
  )
  const conflicts = pathFields.filter(
    (field) => scope[field] !== undefined && client[field] !== undefined && !sameAttribute(scope[field], client[field])
  )
  const scopeUnknown = scope.unknown ?? []
  const named = (name: string) => scopeUnknown.find(([other]) => other === name)
  const added = (client.unknown ?? []).filter(([name]) => named(name) === undefined)
  const unknown = [...scopeUnknown, ...added]
  const unknownConflicts = (client.unknown ?? [])
    .filter(([name, value]) => (named(name)?.[1] ?? value) !== value)
    .map(([name]) => name)
  return {
    uri: { ...client, ...fixed, ...(unknown.length > 0 ? { unknown } : {}) },
    conflicts: [...conflicts, ...unknownConflicts]
  }
}
