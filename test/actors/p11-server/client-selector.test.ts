/** What the service remembers of its clients' URIs. */
import { Effect, Redacted, Result } from "effect"
import { describe, expect, it } from "vitest"
import { SelectorCache } from "../../../src/actors/p11-server/request-context.ts"
import { parsePkcs11Uri } from "../../../src/messages/pkcs11-uri.ts"

const scopeOf = (text: string) => ({ service: Result.getOrThrow(parsePkcs11Uri(text)), rule: undefined })
const unlimited = { service: undefined, rule: undefined }
const select = (known: SelectorCache, text: string | undefined, scopes = scopeOf("pkcs11:token=t"), pin?: string) =>
  Effect.runSync(known.select(text, pin === undefined ? undefined : Redacted.make(pin), scopes)).selector

describe("a URI that was asked for before", () => {
  it("means the same value", () => {
    const known = new SelectorCache()
    const scope = scopeOf("pkcs11:token=t")
    expect(select(known, "pkcs11:object=a", scope).uri).toBe(select(known, "pkcs11:object=a", scope).uri)
  })

  it("is looked at anew in another scope", () => {
    const known = new SelectorCache()
    expect(select(known, "pkcs11:object=a", scopeOf("pkcs11:token=t")).uri).toEqual({ token: "t", object: "a" })
    expect(select(known, "pkcs11:object=a", scopeOf("pkcs11:token=u")).uri).toEqual({ token: "u", object: "a" })
  })

  it("has the PIN of its own request, and of no other", () => {
    const known = new SelectorCache()
    const scope = scopeOf("pkcs11:token=t")
    expect(select(known, "pkcs11:object=a", scope).pin).toBeUndefined()
    expect(Redacted.value(select(known, "pkcs11:object=a", scope, "1234").pin ?? Redacted.make(""))).toBe("1234")
    expect(select(known, "pkcs11:object=a", scope).pin).toBeUndefined()
  })

  it("is not remembered when it has a PIN in it", () => {
    const known = new SelectorCache()
    const scope = scopeOf("pkcs11:token=t")
    for (const text of ["pkcs11:object=a?pin-value=31415926", "pkcs11:object=a;PIN-VALUE=31415926"]) {
      expect(select(known, text, scope).uri).not.toBe(select(known, text, scope).uri)
      expect([...(Reflect.get(known, "known") as Map<string, unknown>).keys()]).toEqual([])
    }
  })

  it("is another one than none at all", () => {
    const known = new SelectorCache()
    expect(select(known, undefined, scopeOf("pkcs11:token=t")).uri).toEqual({ token: "t" })
    expect(() => select(known, "", scopeOf("pkcs11:token=t"))).toThrow()
  })

  it("is forgotten when there are too many", () => {
    const known = new SelectorCache()
    for (let index = 0; index < 1000; index++)
      Effect.runSync(known.select(`pkcs11:object=${index}`, undefined, unlimited))
    expect((Reflect.get(known, "known") as Map<string, unknown>).size).toBeLessThanOrEqual(256)
  })
})
