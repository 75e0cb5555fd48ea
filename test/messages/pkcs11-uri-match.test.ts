/** Which token and object a URI means, and how a scope narrows it. */
import { Redacted, Result } from "effect"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type Pkcs11Uri, parsePkcs11Uri, printPkcs11Uri } from "../../src/messages/pkcs11-uri.ts"
import {
  isInScope,
  matchesObject,
  matchesToken,
  namesObject,
  namesToken,
  sameTarget
} from "../../src/messages/pkcs11-uri-match.ts"
import { mergeScope } from "../../src/messages/pkcs11-uri-scope.ts"
import { pkcs11UriArbitrary } from "./pkcs11-uri-arbitrary.ts"

const parsed = (text: string): Pkcs11Uri => Result.getOrThrow(parsePkcs11Uri(text))
const token = { label: "my-token", model: "SoftHSM v2", manufacturer: "SoftHSM project", serial: "83f9", slot: 7 }
const key = { kind: "private", label: "my-key", id: Uint8Array.of(1) } as const

describe("a URI and a token", () => {
  it.each([
    ["pkcs11:", true],
    ["pkcs11:token=my-token;serial=83f9;model=SoftHSM%20v2;manufacturer=SoftHSM%20project;slot-id=7", true],
    ["pkcs11:object=other;id=%09", true],
    // p11tool prints the zeros some modules pad with; thin-edge's `hsm init --label "x "` leaves such a name in settings.
    ["pkcs11:model=SoftHSM%20v2%00%00%00", true],
    ["pkcs11:token=my-token%20%20;manufacturer=SoftHSM%20project%00;serial=83f9%20", true],
    ["pkcs11:token=%20my-token", false],
    ["pkcs11:token=my%00token", false],
    ["pkcs11:token=my-token;serial=83f8", false],
    ["pkcs11:token=MY-TOKEN", false],
    ["pkcs11:token=", false],
    ["pkcs11:slot-id=8", false],
    ["pkcs11:library-manufacturer=x", false],
    ["pkcs11:token=my-token;vendor-x=1", false],
    ["pkcs11:token=my-token?vendor-x=1", true]
  ])("%s: %s", (text, expected) => {
    expect(matchesToken(parsed(text), token)).toBe(expected)
  })
})

describe("a URI and an object", () => {
  it.each([
    ["pkcs11:", true],
    ["pkcs11:id=%01;object=my-key;type=private;token=elsewhere", true],
    ["pkcs11:object=my-key;id=%02", false],
    ["pkcs11:id=%01%00", false],
    ["pkcs11:object=my-key%20", false],
    ["pkcs11:id=", false],
    ["pkcs11:type=public", false],
    ["pkcs11:vendor-x=1", false]
  ])("%s: %s", (text, expected) => {
    expect(matchesObject(parsed(text), key)).toBe(expected)
  })

  it("is classified: it names a token, an object or both", () => {
    expect([namesToken(parsed("pkcs11:token=a")), namesObject(parsed("pkcs11:token=a"))]).toEqual([true, false])
    expect([namesToken(parsed("pkcs11:id=%01")), namesObject(parsed("pkcs11:id=%01"))]).toEqual([false, true])
  })
})

describe("two URIs", () => {
  it.each([
    ["pkcs11:token=a;object=b", "pkcs11:object=b;token=%61", true],
    ["pkcs11:id=%aB", "pkcs11:id=%Ab?pin-value=1", true],
    ["pkcs11:token=a", "pkcs11:token=a;object=b", false],
    ["pkcs11:token=a", "pkcs11:token=A", false],
    ["pkcs11:v-a=1", "pkcs11:v-a=2", false],
    ["pkcs11:type=private", "pkcs11:", false]
  ])("%s and %s name the same: %s", (one, other, expected) => {
    expect(sameTarget(parsed(one), parsed(other))).toBe(expected)
    expect(sameTarget(parsed(other), parsed(one))).toBe(expected)
  })
})

describe("a scope", () => {
  it.each([
    ["pkcs11:token=later", { label: "", initialized: false }, true],
    ["pkcs11:token=later;slot-id=7", { label: "", initialized: false }, true],
    ["pkcs11:token=later;slot-id=8", { label: "", initialized: false }, false],
    ["pkcs11:token=later", { label: "my-token", initialized: true }, false],
    ["pkcs11:token=my-token", { label: "my-token", initialized: true }, true]
  ])(
    "%s has a free slot, whose label is still to come, and of the others those that match: %j, %s",
    (text, facts, isIn) => {
      expect(isInScope(parsed(text), { ...token, ...facts })).toBe(isIn)
    }
  )

  it("puts its token before the client's, as the documents' example does", () => {
    const { uri, conflicts } = mergeScope(parsed("pkcs11:token=token1"), parsed("pkcs11:token=token2;object=key1"))
    expect(printPkcs11Uri(uri, { pin: "shown" })).toBe("pkcs11:token=token1;object=key1")
    expect(conflicts).toEqual(["token"])
  })

  it("is no conflict with a client that says the same", () => {
    expect(mergeScope(parsed("pkcs11:id=%01;v-a=1"), parsed("pkcs11:id=%01;v-a=1"))).toEqual({
      uri: { id: Uint8Array.of(1), unknown: [["v-a", "1"]] },
      conflicts: []
    })
  })

  it("leaves the client's PIN and not its own", () => {
    const { uri } = mergeScope(parsed("pkcs11:token=a?pin-value=base"), parsed("pkcs11:?pin-value=client"))
    expect(uri.pinValue && Redacted.value(uri.pinValue)).toBe("client")
    expect(mergeScope(parsed("pkcs11:token=a?pin-value=base"), {}).uri).toEqual({ token: "a" })
  })

  it("changes nothing when there is none", () => {
    const client = parsed("pkcs11:token=a;object=b")
    expect(mergeScope(undefined, client)).toEqual({ uri: client, conflicts: [] })
  })

  it("never lets a client reach a token or object outside it", () =>
    fc.assert(
      fc.property(pkcs11UriArbitrary, pkcs11UriArbitrary, (scope, client) => {
        const { uri } = mergeScope(scope, client)
        if (matchesToken(uri, token)) expect(matchesToken(scope, token)).toBe(true)
        if (matchesObject(uri, key)) expect(matchesObject(scope, key)).toBe(true)
        expect(sameTarget(mergeScope(scope, uri).uri, uri)).toBe(true)
      })
    ))
})
